"""The paper stage refuses broken input and names it."""

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_up_items import KIND_OF
from papers import BLIND, MODELS, PUBLISHED_HEADER, command, make_tables, measured, write_metrics

from pipeline_lib.jobs.files import write_parquet
from pipeline_lib.paper.tables.metrics import read_metrics
from pipeline_lib.paper.tables.published import read_published
from pipeline_lib.paper.tables.tidy import build_tables


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ccneg\tCLIP\tViT-B/32\tcc-neg\t\taccuracy\tmany\tpaper\t\t", "line 2: expected value to be a number"),
        ("ccneg\tCLIP\tViT-B/32\tcc-neg\t\taccuracy\tnan\tpaper\t\t", "line 2: expected value to be a number"),
        ("ccneg\tCLIP\tViT-B/32\tcc-neg\t\taccuracy\t1\tguessed\t\t", "line 2: expected provenance"),
        ("ccneg\tCLIP\tViT-B/32\tcc-neg\t\taccuracy\t1\tpaper\t\tfp8", "line 2: expected computed .* found 'fp8'"),
        ("zeroshot\tCLIP\tViT-B/32\tcifar-10\tfoto\ttop1\t1\tpaper\t\t", "line 2: expected prompt .* found 'foto'"),
        ("a\tb\tc\td\t\tf\t1\tpaper\tx\t\na\tb\tc\td\t\tf\t2\tpaper\tx\t", "line 3: .* already in the file"),
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
ZEROSHOT = measured("conclip-rn-s0", "zeroshot")[1]
BROKEN = {  # by a change of conclip-rn-s0's file on a benchmark
    "no JSON": ("ccneg", lambda path: path.write_text("{"), "expected JSON"),
    "a list": ("ccneg", lambda path: path.write_text("[]"), "is not of type 'object'"),
    "an unknown key": ("ccneg", change(note="x"), "'note' was unexpected"),
    "an unknown metric key": ("ccneg", metric(stderr=1.0), "'stderr' was unexpected"),
    "another benchmark": ("ccneg", change(benchmark="sugarcrepe"), "has metrics of benchmark sugarcrepe twice"),
    "no benchmark's name": ("ccneg", change(benchmark="Valse 1"), "'Valse 1' does not match"),
    "an unknown dataset": (
        "ccneg",
        metric(dataset="cc-neg/length=3"),
        "cc-neg/length=3, .* is not one of them; .* rule evaluate_ccneg or .* makes them again",
    ),
    "an unknown prompt": ("ccneg", metric(prompt="plain"), "cc-neg, prompt plain, .* is not one"),
    "an unknown metric": ("ccneg", metric(metric="top1"), "prompt None, top1 is not one of them"),
    "an unknown loss": ("ccneg", change(loss="l4"), "'l4' is not one of"),
    "not a number": ("ccneg", metric(value=float("nan")), "expected JSON, found something else .NaN is no number of J"),
    "no percentage": ("ccneg", metric(value=101), "expected a number from 0 to 100, found 101"),
    "no items": ("ccneg", metric(n=0), "less than the minimum of 1"),
    "other items": ("ccneg", metric(n=99), "over 99 items, but .*/ccneg.parquet has .* over 120"),
    "a changed seed": ("ccneg", change(seed=3), "in another file"),
    "a missing number": (
        "zeroshot",
        change(metrics=ZEROSHOT[:-1]),
        "expected the 18 numbers .* each once; found 17, and counts, prompt bare, mean_per_class is one",
    ),
    "a repeated number": ("zeroshot", change(metrics=ZEROSHOT * 2), "expected the 18 numbers .* each once; found 36"),
    "other texts": ("embeddings", metric(n=99), "expected the same texts for every model, found 100, and 99 in .*"),
    "a cosine": ("embeddings", metric(value=20), "cc-neg/captions.* from -1 to 1, found 20"),
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
    with pytest.raises(ValueError, match=r"zeroshot\.json: expected top1 of kinds with the negated prompt too"):
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
    "missing": (Path.unlink, "ccneg.parquet: no such file of scores; rule evaluate_ccneg or .* makes it", "ccneg"),
    "truncated": (cut_off, "a whole Parquet file .*; delete it, rule evaluate_ccneg or .* makes it again", "ccneg"),
    "rows missing": (
        changed(lambda frame: frame[:-2]),
        r"expected the same items as in .*/blind-rule/ccneg.parquet \(120\), found 118, and key 000000118",
        "ccneg",
    ),
    "other items": (set_cell("key", "x"), "key x is in one of them alone|key 000000003 is in one of them", "ccneg"),
    "twice": (set_cell("key", "000000000"), "row 3: the item key 000000000 is there twice", "ccneg"),
    "another word": (set_cell("negation_word", "none"), "key 000000003 is described otherwise in", "ccneg"),
    "no number": (
        set_cell("score_true", float("nan")),
        "row 3: expected a value in column score_true, found None for the item with key 000000003",
        "ccneg",
    ),
    "infinite": (set_cell("score_label", float("inf")), "column score_label, found inf .* key kinds-3", "zeroshot"),
    "no value": (set_cell("correct", None), "row 3: expected a value in column correct, found None", "ccneg"),
    "no column": (changed(lambda frame: frame.drop(columns="correct")), "expected the column correct, found", "ccneg"),
    "other answers": (
        changed(lambda frame: frame.assign(correct=~frame.correct)),
        r"ccneg.json: cc-neg, .* but .*ccneg.parquet has .*; they are not of one run; .* evaluate_ccneg or .* makes",
        "ccneg",
    ),
    "other prompts": (
        changed(lambda frame: frame.assign(prompt=frame.prompt.replace("bare", "plain"))),
        "is there twice",
        "zeroshot",
    ),
    "another rank": (
        changed(lambda frame: frame.assign(rank=7)),
        "negbench-retrieval.json: negbench-retrieval, .* rule evaluate_benchmark makes them again",
        "negbench-retrieval",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_broken_file_of_scores_is_named_with_its_rule(tmp_path, name):
    damage, message, benchmark = DAMAGES[name]
    metrics = write_metrics(tmp_path, [*RN, *BLIND])
    damage(tmp_path / "evaluate" / "mini-rn" / f"{benchmark}.parquet")
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_metrics(metrics, KIND_OF)


def test_a_metric_of_fewer_items_and_a_text_only_model_without_any_name_their_rule(tmp_path):
    metrics = write_metrics(tmp_path, [MODELS[1], *BLIND])
    path = tmp_path / "evaluate" / "mini-rn" / "ccneg.parquet"
    write_parquet(path, pd.read_parquet(path)[:-1])
    with pytest.raises(ValueError, match=r"is .* over 120 items, but .*ccneg.parquet has .* over 119 such items"):
        read_metrics([path for path in metrics if "blind" not in path], KIND_OF)
    (tmp_path / "evaluate" / "blind-rule" / "ccneg.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=r"rule evaluate_blind makes it"):
        read_metrics(metrics, KIND_OF)


def test_models_that_share_a_name_but_not_a_loss_are_refused(tmp_path):
    models = [*MODELS[:2], MODELS[2], ("conclip-vit-s1", "CoN-CLIP", "mini-vit", "l1", "ccneg", 1)]
    with pytest.raises(ValueError, match="expected models of one name to differ in their seed alone"):
        build_tables(*read_metrics(write_metrics(tmp_path, models), KIND_OF)[:2])


def test_a_mistake_ends_the_command_in_one_line(tmp_path):
    failed = make_tables(tmp_path, [str(tmp_path / "absent.json")])
    assert failed.returncode == 1 and failed.stderr.count("\n") == 1 and "absent.json" in failed.stderr
    failed = command("headline", "--tables", tmp_path / "tables.parquet")
    assert failed.returncode == 1 and "pipeline_lib.paper.tables" in failed.stderr
    pq.write_table(pa.table({"x": [1]}), tmp_path / "foreign.parquet")
    failed = command("headline", "--tables", tmp_path / "foreign.parquet")
    assert failed.returncode == 1 and "expected the columns" in failed.stderr
