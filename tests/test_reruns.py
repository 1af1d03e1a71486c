"""What reruns after which change: on a finished run, exactly the jobs that depend on it, and no other."""

import re
import shutil

import pytest
import yaml
from faults.small import finish
from workflows import load, merged

pytestmark = pytest.mark.faults  # it needs the small run
END = {"tables", "figures", "report_page", "all"}
CCNEG = {"evaluate_ccneg conclip-rn-s0", "evaluate_ccneg crepe-rn-s0"}
TUNED = CCNEG | {"evaluate_zeroshot conclip-rn-s0", "evaluate_benchmark conclip-rn-s0,sugarcrepe"}
TUNING = {"finetune conclip-rn-s0", "finetune crepe-rn-s0"}
ZEROSHOT = {"evaluate_zeroshot conclip-rn-s0", "evaluate_zeroshot mini-rn"}


@pytest.fixture
def copy(small_run, tmp_path):
    """A copy of the finished run, to be changed."""
    return shutil.copytree(small_run, tmp_path / "run", symlinks=True)


def planned(folder, *arguments):
    """Return the jobs that the engine would do, each as its rule and the values of its wildcards."""
    status, said = finish(folder, "--dry-run", *arguments)
    assert status == 0, said[-3000:]
    blocks = re.findall(r"^(?:local)?rule (\w+):\n((?: +.*\n)+)", said, re.MULTILINE)
    jobs = []
    for rule, block in blocks:
        named = re.search(r"wildcards: (.*)", block)
        values = ",".join(re.findall(r"=([\w-]+)", named[1])) if named else ""
        jobs.append(f"{rule} {values}".strip())
    assert len(jobs) == len(set(jobs))
    return set(jobs)


def replace(folder, name, old, new):
    """Change a text in a file, where it stands once."""
    path = folder / name
    text = path.read_text()
    assert text.count(old) == 1, (name, old)
    path.write_text(text.replace(old, new))


def add_row(folder, *cells):
    """Add a row to the sheet of experiments."""
    with open(folder / "small.tsv", "a") as sheet:
        sheet.write("\t".join(cells) + "\n")


def configure(folder, **changes):
    """Change the configuration."""
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(merged(changes, yaml.safe_load(path.read_text())), sort_keys=False))


def test_a_finished_run_has_nothing_to_do(small_run):
    assert planned(small_run) == set()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--forcerun", "finetune"), TUNING | TUNED | END),
        (("--forcerun", "finetune", "--until", "finetune"), TUNING),
        (("--forcerun", "finetune", "--omit-from", "tables"), TUNING | TUNED),
        (("--forcerun", "distractors", "--omit-from", "evaluate_ccneg"), {
            "distractors", "finetune conclip-rn-s0", "evaluate_zeroshot conclip-rn-s0",
            "evaluate_benchmark conclip-rn-s0,sugarcrepe",
        }),
        (("--forcerun", "shards_index", "--until", "distractors"), {"shards_index", "distractors"}),
        (("--forcerun", "tables"), END),
        (("--forcerun", "captions_quality"), {"captions_quality", "all"}),
        (("--forceall", "--until", "negate"), {"miniature", "negate 00000", "negate 00001"}),
    ],
)  # fmt: skip
def test_what_is_asked_for_reruns_with_what_depends_on_it(small_run, arguments, expected):
    assert planned(small_run, *arguments) == expected


def edit_the_loss(folder):
    replace(folder, "pipeline_lib/finetune/loss.py", "    terms = []\n", "    terms = list()\n")


def add_an_experiment(folder):
    add_row(folder, "l2-rn", "CoN-CLIP", "mini-rn", "l2", "ccneg", "0", "ccneg")


def change_a_loss(folder):
    replace(folder, "small.tsv", "conclip\tccneg", "l1+l2\tccneg")


def add_a_seed(folder):
    replace(folder, "small.tsv", "conclip\tccneg\t0\tall", "conclip\tccneg\t0,1\tall")


def change_a_prompt(folder):
    configure(folder, evaluate={"zeroshot": {"prompts": {"negated": ["there is no {} here"]}}})


def add_a_benchmark(folder):
    (folder / "questions.csv").touch()
    entries = load("config.yaml")["evaluate"]["benchmarks"]
    own = {"name": "questions", "kind": "mcq", "annotations": "questions.csv", "pool": "sugarcrepe", "count": None}
    configure(folder, evaluate={"benchmarks": [*entries, own]})


def edit_a_figure(folder):
    with open(folder / "pipeline_lib" / "paper" / "plots_ccneg.py", "a") as code:
        code.write("# another colour\n")


def edit_what_the_tables_alone_use(folder):
    with open(folder / "pipeline_lib" / "paper" / "latex.py", "a") as code:
        code.write("# another rule\n")


def edit_the_words_of_the_negation(folder):
    with open(folder / "pipeline_lib" / "captions" / "lexicon.py", "a") as code:
        code.write("# another word\n")


def change_a_published_number(folder):
    path = folder / "config" / "published.tsv"
    path.write_text(path.read_text().replace("65.7", "65.8", 1))


def change_what_no_result_depends_on(folder):
    configure(folder, fetch={"timeout_s": 2.0, "user_agent": "another/1"}, finetune={"checkpoint_every": 7})


def touch_everything(folder):
    for path in (folder / "pipeline_lib").rglob("*.py"):
        path.touch()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (edit_the_loss, TUNING | TUNED | END),
        (add_an_experiment, {"finetune l2-rn-s0", "evaluate_ccneg l2-rn-s0"} | END),
        (change_a_loss, {"finetune conclip-rn-s0"} | (TUNED - {"evaluate_ccneg crepe-rn-s0"}) | END),
        (add_a_seed, {
            "finetune conclip-rn-s1", "evaluate_ccneg conclip-rn-s1", "evaluate_zeroshot conclip-rn-s1",
            "evaluate_benchmark conclip-rn-s1,sugarcrepe",
        } | END),
        (change_a_prompt, ZEROSHOT | END),
        (add_a_benchmark, {"evaluate_benchmark conclip-rn-s0,questions", "evaluate_benchmark mini-rn,questions"} | END),
        (edit_a_figure, {"figures", "report_page", "all"}),
        (edit_what_the_tables_alone_use, END),
        (edit_the_words_of_the_negation, {
            "negate 00000", "negate 00001", "captions_quality", "shards 00000", "shards 00001", "shards_index",
            *(f"features mini-rn,ccneg-{split},0000{part}" for split in ("train", "eval") for part in (0, 1)),
            "distractors", "finetune conclip-rn-s0", "evaluate_ccneg mini-rn", "evaluate_blind blind-rule",
            "evaluate_blind blind-words",
        } | CCNEG | TUNED | END),
        (change_a_published_number, END),
        (change_what_no_result_depends_on, {"report_page", "all"}),  # which shows the configuration
        (touch_everything, set()),
    ],
)  # fmt: skip
def test_a_change_reruns_what_depends_on_it_and_nothing_else(copy, change, expected):
    change(copy)
    assert planned(copy) == expected
