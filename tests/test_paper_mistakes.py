"""The paper stage refuses broken input and names it."""

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_up_items import KIND_OF
from papers import BLIND, MODELS, PUBLISHED_HEADER, command, embeddings_of, make_tables, write_metrics

from pipeline_lib.jobs.files import write_parquet
from pipeline_lib.paper.tables.metrics import read_metrics
from pipeline_lib.paper.tables.published import read_published
from pipeline_lib.paper.tables.tidy import build_tables

CELL = "ccneg\tCLIP\tvit-b32\tcc-neg\t\taccuracy"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"{CELL}\tmany\tpaper\t\t", "line 2, value: expected a number, found 'many'"),
        (f"{CELL}\tnan\tpaper\t\t", "line 2, value: expected a number, found 'nan'"),
        (f"{CELL}\t1\tguessed\t\t", "line 2, provenance: expected one of paper"),
        (f"{CELL}\t1\tpaper\t\tfp8", "line 2, computed: expected .* found 'fp8'"),
        ("a\tb\tc\td\tfoto\tf\t1\tpaper\t\t", "line 2, prompt: expected .* found 'foto'; did you mean 'photo'"),
        (f"{CELL}\t1\tpaper\tx\t\n{CELL}\t2\tpaper\tx\t", "line 3: .* already in the file"),
    ],
)
def test_broken_published_numbers_are_refused(tmp_path, line, message):
    path = tmp_path / "published.tsv"
    path.write_text(PUBLISHED_HEADER + line + "\n")
    with pytest.raises(ValueError, match=message):
        read_published(path)


def change(**fields):
    """A damage to a metrics file: other fields."""

    def damage(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return damage


def metric(**fields):
    """A damage to a metrics file: other fields of its first metric."""

    def damage(path: Path) -> None:
        first, *others = json.loads(path.read_text())["metrics"]
        change(metrics=[first | fields, *others])(path)

    return damage


RN = [MODELS[1], MODELS[4]]  # mini-rn and conclip-rn-s0
BROKEN = {  # by a change of conclip-rn-s0's file on a benchmark
    "no JSON": ("ccneg", lambda path: path.write_text("{"), "expected JSON"),
    "a list": ("ccneg", lambda path: path.write_text("[]"), "the top level: expected a dictionary of model, "),
    "an unknown key": ("ccneg", change(note="x"), "the top level: unknown key 'note'. Allowed: backbone, "),
    "an unknown metric key": ("ccneg", metric(stderr=1.0), "metrics/0: unknown key 'stderr'. Allowed: "),
    "another benchmark": ("ccneg", change(benchmark="sugarcrepe"), "has metrics of benchmark sugarcrepe twice"),
    "no benchmark's name": ("ccneg", change(benchmark="Valse 1"), "benchmark: expected a name of .* found 'Valse 1'"),
    "an unknown dataset": (
        "embeddings",
        metric(dataset="cc-neg/images"),
        "expected the numbers .*'cc-neg/captions'.* found .*'cc-neg/images'.* delete it and evaluate again",
    ),
    "an unknown loss": ("ccneg", change(loss="l4"), "loss: expected one of l1, .* found 'l4'"),
    "not a number": ("ccneg", metric(value=float("nan")), "expected JSON, found something else .NaN is no number of J"),
    "no items": ("ccneg", metric(n=0), "metrics/0/n: expected a whole number at least 1 .* found 0"),
    "a changed seed": ("ccneg", change(seed=3), "in another file"),
    "a missing number": ("embeddings", change(metrics=embeddings_of("conclip-rn-s0")[:-1]), "expected the numbers .*"),
    "other texts": (
        "embeddings",
        metric(n=99),
        "expected cosine of the same texts for every model, found 100, and 99 in .*",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_metrics_file_is_named(tmp_path, name):
    benchmark, damage, message = BROKEN[name]
    metrics = write_metrics(tmp_path, RN)
    broken = str(tmp_path / "evaluate" / "conclip-rn-s0" / f"{benchmark}.json")
    damage(Path(broken))
    # Last, so that a model's other files say first what the model is.
    with pytest.raises(ValueError, match=message) as error:
        read_metrics([*(path for path in metrics if path != broken), broken], KIND_OF)
    assert broken in str(error.value)


def test_missing_and_repeated_files_are_refused(tmp_path):
    metrics = write_metrics(tmp_path, [*RN, *BLIND])

    def read(without="nothing", more=(), kinds=KIND_OF):
        return read_metrics([*(path for path in metrics if without not in path), *more], kinds)

    with pytest.raises(ValueError, match=r"conclip-rn-s0 has metrics of benchmark ccneg twice"):
        read(more=[str(tmp_path / "evaluate" / "conclip-rn-s0" / "ccneg.json")])
    # The sheet may leave a benchmark out for a model, but not for its CLIP.
    _, values, _ = read(without="conclip-rn-s0/sugarcrepe.json")
    assert set(values[values.benchmark == "sugarcrepe"].model) == {"mini-rn", "blind-words"}
    with pytest.raises(ValueError, match=r"mini-rn has metrics but none of benchmark valse-existence, which conclip"):
        read(without="/mini-rn/valse-existence.json")
    with pytest.raises(ValueError, match=r"conclip-rn-s0.*: expected one CLIP baseline for backbone mini-rn, found 0"):
        read(without="/mini-rn/")
    with pytest.raises(FileNotFoundError, match=r"absent\.json"):
        read(more=[str(tmp_path / "absent.json")])
    with pytest.raises(ValueError, match=r"benchmark negbench-mcq-coco: of which kind is it\? Expected"):
        read(kinds={})


def test_each_zeroshot_set_needs_the_prompts_that_the_tables_compare(tmp_path):
    with pytest.raises(ValueError, match=r"zeroshot\.parquet: expected top1 of kinds with the negated prompt too"):
        read_metrics(write_metrics(tmp_path, RN, prompts=("plain", "bare")), KIND_OF)


def changed(change):
    """A damage to a file of items by a function of its frame."""

    def damage(path: Path) -> None:
        write_parquet(path, change(pd.read_parquet(path)))

    return damage


def set_cell(column: str, value: object, row: int = 3):
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame[column] = frame[column].astype(object).where(frame.index != row, value)
        return frame.astype({column: float}) if column.startswith("score") else frame

    return changed(change)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


DAMAGES = {
    "missing": (Path.unlink, "ccneg.parquet: no such file of scores; the evaluate stage makes it", "ccneg"),
    "truncated": (cut_off, "ccneg.parquet: expected a whole Parquet file, .*; delete it", "ccneg"),
    "rows missing": (
        changed(lambda frame: frame[:-2]),
        r"expected the same items as in .*/blind-rule/ccneg.parquet \(120\), found 118, and key 000000118",
        "ccneg",
    ),
    "other items": (set_cell("key", "x"), "key x is in one of them alone|key 000000003 is in one of them", "ccneg"),
    "twice": (set_cell("key", "000000000"), "row 3: the item key 000000000 is there twice", "ccneg"),
    "another word": (
        set_cell("negation_word", "none"),
        "key 000000003 is in one of them alone, or described otherwise",
        "ccneg",
    ),
    "no number": (
        set_cell("score_true", float("nan")),
        "row 3: expected a value in column score_true, found None for the item with key 000000003",
        "ccneg",
    ),
    "infinite": (set_cell("score_label", float("inf")), "column score_label, found inf .* key kinds-3", "zeroshot"),
    "no value": (set_cell("correct", None), "row 3: expected a value in column correct, found None", "ccneg"),
    "no column": (changed(lambda frame: frame.drop(columns="correct")), "expected the column correct, found", "ccneg"),
    "other prompts": (
        changed(lambda frame: frame.assign(prompt=frame.prompt.replace("bare", "plain"))),
        "is there twice",
        "zeroshot",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_broken_file_of_scores_is_named(tmp_path, name):
    damage, message, benchmark = DAMAGES[name]
    metrics = write_metrics(tmp_path, [*RN, *BLIND])
    damage(tmp_path / "evaluate" / "mini-rn" / f"{benchmark}.parquet")
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_metrics(metrics, KIND_OF)


def test_numbers_are_those_of_the_items_whatever_the_metrics_file_says(tmp_path):
    metrics = write_metrics(tmp_path, RN)
    _, expected, _ = read_metrics(metrics, KIND_OF)
    metric(value=12.5, n=7)(tmp_path / "evaluate" / "mini-rn" / "ccneg.json")
    change(metrics=embeddings_of("mini-rn"))(tmp_path / "evaluate" / "mini-rn" / "zeroshot.json")
    pd.testing.assert_frame_equal(read_metrics(metrics, KIND_OF)[1], expected)
    path = tmp_path / "evaluate" / "mini-rn" / "ccneg.parquet"
    items = pd.read_parquet(path)
    write_parquet(path, items.assign(correct=~items.correct))
    values = read_metrics(metrics, KIND_OF)[1].set_index(["model", "dataset"]).value
    before = expected.set_index(["model", "dataset"]).value
    assert values["mini-rn", "cc-neg"].item() == pytest.approx(100 - before["mini-rn", "cc-neg"].item())


def test_models_that_share_a_name_but_not_a_loss_are_refused(tmp_path):
    models = [*MODELS[:2], MODELS[2], ("conclip-vit-s1", "CoN-CLIP", "mini-vit", "l1", "ccneg", 1)]
    with pytest.raises(ValueError, match="expected models of one name to differ in their seed alone"):
        build_tables(*read_metrics(write_metrics(tmp_path, models), KIND_OF)[:2])


def test_a_mistake_ends_the_command_in_one_line(tmp_path):
    failed = make_tables(tmp_path, [str(tmp_path / "absent.json")])
    assert failed.startswith("error: ") and "\n" not in failed and "absent.json" in failed
    failed = command("headline", "--tables", tmp_path / "tables.parquet")
    assert failed.returncode == 1 and "pipeline_lib.paper.tables" in failed.stderr
    pq.write_table(pa.table({"x": [1]}), tmp_path / "foreign.parquet")
    failed = command("headline", "--tables", tmp_path / "foreign.parquet")
    assert failed.returncode == 1 and "expected the columns" in failed.stderr
