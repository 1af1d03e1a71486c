"""What reruns after which change: on a finished run, exactly the jobs that depend on it, and no other."""

import re
import shutil
from functools import partial

import pytest
import yaml
from workflows import merged, plan

from pipeline_lib.jobs.remedy import remedy

pytestmark = pytest.mark.faults  # it needs the small run
SHOWN = {"show_tables", "show_figures", "show_report", "all"}
END = {"paper_tables", "paper_figures", "paper_report"} | SHOWN
CCNEG = {"evaluate_ccneg conclip-rn-s0", "evaluate_ccneg crepe-rn-s0"}
TUNED = CCNEG | {"evaluate_zeroshot conclip-rn-s0", "evaluate_benchmark conclip-rn-s0,sugarcrepe"}
TUNING = {"finetune conclip-rn-s0", "finetune crepe-rn-s0"}
ZEROSHOT = {"evaluate_zeroshot conclip-rn-s0", "evaluate_zeroshot mini-rn"}


@pytest.fixture
def copy(small_run, tmp_path):
    """A copy of the finished run, to be changed."""
    return shutil.copytree(small_run, tmp_path / "run", symlinks=True)


def planned(folder, **asked):
    """Return the jobs that Snakemake would do, each as its rule and the values of its wildcards."""
    jobs = plan(folder, configfiles=["config/small.yaml"], **asked)
    return {f"{job.rule} {','.join(job.wildcards.values())}".strip() for job in jobs}


def replace(folder, name, old, new):
    """Change a text in a file, where it occurs once."""
    path = folder / name
    text = path.read_text()
    assert text.count(old) == 1, (name, old)
    path.write_text(text.replace(old, new))


def append(folder, name, text):
    """Write a text at the end of a file."""
    with open(folder / name, "a") as file:
        file.write(text)


def configure(folder, **changes):
    """Change the configuration."""
    path = folder / "config/small.yaml"
    path.write_text(yaml.safe_dump(merged(changes, yaml.safe_load(path.read_text())), sort_keys=False))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, set()),
        ({"forcerun": {"finetune"}, "omit_from": {"paper_tables"}}, TUNING | TUNED),
        ({"forcerun": {"distractors_choose"}, "omit_from": {"evaluate_ccneg"}}, {
            "distractors_choose", "finetune conclip-rn-s0", "evaluate_zeroshot conclip-rn-s0",
            "evaluate_benchmark conclip-rn-s0,sugarcrepe",
        }),
        ({"forcerun": {"paper_tables"}}, END),
    ],
)  # fmt: skip
def test_what_is_asked_for_reruns_with_what_depends_on_it(small_run, asked, expected):
    assert planned(small_run, **asked) == expected


def test_the_advice_about_a_damaged_file_makes_it_again(copy):
    """Snakemake alone does not miss a file in the middle of a finished run."""
    path = copy / "results/small/finetune/conclip-rn-s0/model.pt"
    path.unlink()
    assert planned(copy) == set()
    target = re.search(r"make it again: snakemake --cores 8 (\S+), ", remedy(path))[1]
    assert [job.output[0] for job in plan(copy, target, configfiles=["config/small.yaml"])] == [target]


def change_a_published_number(folder):
    path = folder / "config" / "published.tsv"
    path.write_text(path.read_text().replace("65.7", "65.8", 1))


def give_a_row_its_own_learning_rate(folder):
    path = folder / "config/small.tsv"
    header, first, *others = path.read_text().splitlines()
    path.write_text("\n".join([f"{header}\tlr", f"{first}\t1e-4", *(f"{row}\t" for row in others)]) + "\n")


def add_a_benchmark(folder):
    (folder / "questions.csv").touch()
    own = {"kind": "mcq", "annotations": "questions.csv", "pool": "sugarcrepe", "count": None}
    configure(folder, evaluate={"benchmarks": {"questions": own}})


def test_curves_train_nothing_again(copy):
    pytest.importorskip("tensorboard")
    configure(copy, curves="tensorboard")
    assert planned(copy) == {"paper_report", "show_report", "all"}  # the report lists the configuration


def add_a_loss(folder):
    path = folder / "pipeline_lib/finetune/terms.py"
    text = path.read_text().replace("TERMS = {", "def own(image, caption, scale):\n    return scale\n\n\nTERMS = {")
    text = text.replace('"l3": Term', '"own": Term(("image", "caption"), own),\n    "l3": Term')
    path.write_text(text.replace('"l2": Loss', '"own": Loss("OWN", ("own", "l1")),\n    "l2": Loss'))


def edit_comments_docstrings_and_layout(folder):
    for path in (folder / "pipeline_lib").rglob("*.py"):
        text = re.sub(r'^"""', '"""Another word. ', path.read_text())
        text = re.sub(r"^def ", "\n\n# a comment\ndef ", text, flags=re.MULTILINE)
        path.write_text(text + "\n# the end\n")


PROMPT = {"zeroshot": {"prompts": {"negated": ["there is no {} here"]}}}
NO_RESULT = {"fetch": {"timeout_s": 2.0, "user_agent": "another/1"}, "finetune": {"checkpoint_every": 7}}
CHANGES = {  # what is changed, how, and the jobs that rerun
    "comments, docstrings and layout": (edit_comments_docstrings_and_layout, set()),
    # Its images may be gone, so they are not fetched again.
    "the fetcher": (partial(append, name="pipeline_lib/fetch/fetch.py", text="NUMBER = 1\n"), set()),
    "the loss": (
        partial(replace, name="pipeline_lib/finetune/terms.py", old="scale * queries @", new="1.0 * scale * queries @"),
        TUNING | TUNED | END,
    ),
    "one more loss": (add_a_loss, END),
    "a term that no model is trained with": (
        partial(replace, name="pipeline_lib/finetune/terms.py", old="others = logits", new="others = 1.0 * logits"),
        END,
    ),
    "one more experiment": (
        partial(append, name="config/small.tsv", text="l2-rn\tCoN-CLIP\tmini-rn\tl2\tccneg\t0\tccneg\n"),
        {"finetune l2-rn-s0", "evaluate_ccneg l2-rn-s0"} | END,
    ),
    "another loss": (
        partial(replace, name="config/small.tsv", old="conclip\tccneg", new="l1+l2\tccneg"),
        {"finetune conclip-rn-s0"} | (TUNED - {"evaluate_ccneg crepe-rn-s0"}) | END,
    ),
    "a learning rate of its own": (
        give_a_row_its_own_learning_rate,
        {"finetune conclip-rn-s0"} | (TUNED - {"evaluate_ccneg crepe-rn-s0"}) | END,
    ),
    "one more seed": (
        partial(replace, name="config/small.tsv", old="conclip\tccneg\t0\tall", new="conclip\tccneg\t0,1\tall"),
        {"finetune conclip-rn-s1", "evaluate_ccneg conclip-rn-s1", "evaluate_zeroshot conclip-rn-s1"}
        | {"evaluate_benchmark conclip-rn-s1,sugarcrepe"}
        | END,
    ),
    "a prompt": (partial(configure, evaluate=PROMPT), ZEROSHOT | END),
    "one more benchmark": (
        add_a_benchmark,
        {"evaluate_benchmark conclip-rn-s0,questions", "evaluate_benchmark mini-rn,questions"}
        | {"evaluate_blind_benchmark questions"}
        | END,
    ),
    "a figure": (
        partial(append, name="pipeline_lib/paper/figures/style.py", text="COLOUR = 1\n"),
        {"paper_figures", "paper_report", "show_figures", "show_report", "all"},
    ),
    "a template": (
        partial(append, name="pipeline_lib/paper/report/report.css.j2", text="/* another colour */\n"),
        {"paper_report", "show_report", "all"},
    ),
    "the words of the negation": (
        partial(append, name="pipeline_lib/captions/negate.py", text="WORD = 1\n"),
        {
            *(f"{rule} 0000{part}" for rule in ("captions_negate", "shards_build") for part in (0, 1)),
            *(f"features mini-rn,,ccneg-{split},0000{part}" for split in ("train", "eval") for part in (0, 1)),
            *("captions_quality", "shards_index", "distractors_choose", "finetune conclip-rn-s0"),
            *("evaluate_ccneg mini-rn", "evaluate_blind blind-rule", "evaluate_blind blind-words"),
        }
        | CCNEG
        | TUNED
        | END,
    ),
    "a published number": (change_a_published_number, END),
    # The report shows the configuration.
    "what no result depends on": (partial(configure, **NO_RESULT), {"paper_report", "show_report", "all"}),
}


@pytest.mark.parametrize(("change", "expected"), CHANGES.values(), ids=CHANGES)
def test_a_change_reruns_what_depends_on_it_and_nothing_else(copy, change, expected):
    change(copy)
    assert planned(copy) == expected
