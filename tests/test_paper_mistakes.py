"""The paper stage refuses broken input and names it."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from papers import MODELS, command, make_tables, measured, write_metrics

from pipeline_lib.paper.tables.metrics import read_metrics
from pipeline_lib.paper.tables.published import read_published
from pipeline_lib.paper.tables.tidy import build_tables


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ccneg\tCLIP\tViT-B/32\tcc-neg\t\taccuracy\tmany\tpaper", "line 2: expected value to be a number"),
        ("ccneg\tCLIP\tViT-B/32\tcc-neg\t\taccuracy\tnan\tpaper", "line 2: expected value to be a number"),
        ("ccneg\tCLIP\tViT-B/32\tcc-neg\t\taccuracy\t1\tguessed", "line 2: expected provenance"),
        ("zeroshot\tCLIP\tViT-B/32\tcifar-10\tfoto\ttop1\t1\tpaper", "line 2: expected prompt .* found 'foto'"),
        ("a\tb\tc\td\t\tf\t1\tpaper\na\tb\tc\td\t\tf\t2\tpaper", "line 3: .* already in the file"),
    ],
)
def test_broken_published_numbers_are_refused(tmp_path, line, message):
    path = tmp_path / "published.tsv"
    path.write_text("table\tmodel\tbackbone\tdataset\tprompt\tmetric\tvalue\tprovenance\n" + line + "\n")
    with pytest.raises(ValueError, match=message):
        read_published(path)


def change(path: str, **fields) -> None:
    content = json.loads(Path(path).read_text())
    Path(path).write_text(json.dumps(content | fields))


def change_first_metric(path: str, **fields) -> None:
    metrics = json.loads(Path(path).read_text())["metrics"]
    change(path, metrics=[metrics[0] | fields, *metrics[1:]])


BROKEN = {
    "no JSON": (lambda path: Path(path).write_text("{"), "expected JSON"),
    "a list": (lambda path: Path(path).write_text("[]"), "is not of type 'object'"),
    "an unknown key": (lambda path: change(path, note="x"), "'note' was unexpected"),
    "an unknown metric key": (lambda path: change_first_metric(path, stderr=1.0), "'stderr' was unexpected"),
    "another benchmark": (lambda path: change(path, benchmark="valse"), "not a dataset of benchmark valse"),
    "no benchmark's name": (lambda path: change(path, benchmark="Valse 1"), "'Valse 1' does not match"),
    "an unknown dataset": (lambda path: change_first_metric(path, dataset="cc-neg/length=3"), "not a dataset of"),
    "an unknown prompt": (lambda path: change_first_metric(path, prompt="plain"), "expected prompt to be one of"),
    "an unknown metric": (lambda path: change_first_metric(path, metric="top1"), "expected metric to be one of"),
    "an unknown loss": (lambda path: change(path, loss="l4"), "'l4' is not one of"),
    "not a number": (
        lambda path: change_first_metric(path, value=float("nan")),
        "expected JSON, found something else .NaN is no number of JSON",
    ),
    "no percentage": (lambda path: change_first_metric(path, value=101), "expected a number from 0 to 100, found 101"),
    "no items": (lambda path: change_first_metric(path, n=0), "less than the minimum of 1"),
    "other items": (lambda path: change_first_metric(path, n=99), "n=99 in .*conclip-rn-s0"),
    "no whole": (lambda path: change_first_metric(path, dataset="cc-neg/word=x"), "expected the dataset cc-neg"),
    "a changed seed": (lambda path: change(path, seed=3), "in another file"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_metrics_file_is_named(tmp_path, name):
    damage, message = BROKEN[name]
    metrics = write_metrics(tmp_path)
    broken = str(tmp_path / "evaluate" / "conclip-rn-s0" / "ccneg.json")
    damage(broken)
    # Last, so that a model's other files say first what the model is.
    with pytest.raises(ValueError, match=message) as error:
        read_metrics([*(path for path in metrics if path != broken), broken])
    assert broken in str(error.value)


def test_missing_and_repeated_metrics_are_refused(tmp_path):
    metrics = write_metrics(tmp_path)
    with pytest.raises(ValueError, match=r"conclip-vit-s0 has cc-neg.* twice"):
        read_metrics([*metrics, next(path for path in metrics if path.endswith("conclip-vit-s0/ccneg.json"))])
    # The sheet may leave a benchmark out for a model, but not for its CLIP.
    few = read_metrics([path for path in metrics if not path.endswith("l2-vit-s0/sugarcrepe.json")])[1]
    assert set(few[few.benchmark == "sugarcrepe"].model) == set(few[few.benchmark == "zeroshot"].model) - {"l2-vit-s0"}
    with pytest.raises(
        ValueError, match=r"mini-rn has metrics but none of benchmark valse-existence, which conclip-rn-s0"
    ):
        read_metrics([path for path in metrics if not path.endswith("/mini-rn/valse-existence.json")])
    with pytest.raises(ValueError, match=r"conclip-rn-s0.*: expected one CLIP baseline for backbone mini-rn, found 0"):
        read_metrics([path for path in metrics if "/mini-rn/" not in path])
    with pytest.raises(FileNotFoundError, match=r"absent\.json"):
        read_metrics([*metrics, str(tmp_path / "absent.json")])
    zeroshot = str(tmp_path / "evaluate" / "mini-vit" / "zeroshot.json")
    kept = [
        metric
        for metric in measured("mini-vit", "zeroshot")[1]
        if (metric["dataset"], metric["prompt"]) != ("counts", "negated")
    ]
    change(zeroshot, metrics=kept)
    with pytest.raises(ValueError, match=r"zeroshot\.json: expected top1 of counts with the negated prompt"):
        read_metrics(metrics)


def test_models_that_share_a_name_but_not_a_loss_are_refused(tmp_path):
    models = [*MODELS[:2], MODELS[2], ("conclip-vit-s1", "CoN-CLIP", "mini-vit", "l1", "ccneg", 1)]
    with pytest.raises(ValueError, match="expected models of one name to differ in their seed alone"):
        build_tables(*read_metrics(write_metrics(tmp_path, models)))


def test_a_mistake_ends_the_command_in_one_line(tmp_path):
    failed = make_tables(tmp_path, [str(tmp_path / "absent.json")])
    assert failed.returncode == 1 and failed.stderr.count("\n") == 1 and "absent.json" in failed.stderr
    failed = command("headline", "--tables", tmp_path / "tables.parquet")
    assert failed.returncode == 1 and "pipeline_lib.paper.tables" in failed.stderr
    pq.write_table(pa.table({"x": [1]}), tmp_path / "foreign.parquet")
    failed = command("headline", "--tables", tmp_path / "foreign.parquet")
    assert failed.returncode == 1 and "expected the columns" in failed.stderr
