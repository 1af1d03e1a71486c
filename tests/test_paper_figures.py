"""What the figures show: intervals, margins, examples, the composition of CC-Neg; and that nothing is cut off."""

import io
import itertools
import os
import random
import subprocess
import sys

import numpy as np
import pandas as pd
import papers
import pytest
from conftest import ROOT, call, flags_of
from matplotlib.collections import LineCollection
from papers import cut_off
from PIL import Image

from pipeline_lib.formats.tars import read_samples
from pipeline_lib.jobs.files import read_json, write_json, write_parquet
from pipeline_lib.paper.figures import ccneg, dataset, losses, style, truth_table
from pipeline_lib.paper.figures.__main__ import FROM_ROWS, main
from pipeline_lib.paper.outputs import FIGURE_FILES, FIGURES
from pipeline_lib.paper.tables.layout import compared, displayed


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the made-up CC-Neg whose scores `made_up_run` has."""
    folder = tmp_path_factory.mktemp("figures")
    papers.write_ccneg(folder)
    return folder


@pytest.fixture(scope="module")
def rows(tables):
    """The rows that figures show."""
    return compared(displayed(tables))


@pytest.fixture(scope="module")
def read_scores(folder, tables, rows):
    """A function that reads what the figure of scores shows from files of scores."""
    return lambda paths: ccneg.read_scores([*map(str, paths)], str(folder / "eval-00000.tar"), tables, rows)


@pytest.fixture(scope="module")
def scores(made_up_run, read_scores):
    """What the figure of scores shows."""
    return read_scores(sorted(made_up_run.glob("evaluate/[!b]*/ccneg.parquet")))


def composition(folder, captions=("captions.parquet",)) -> dataset.Composition:
    """What the figure of the data shows."""
    splits = {split: str(folder / f"{split}.parquet") for split in ("train", "eval")}
    return dataset.read_composition(splits, str(folder / "index.json"), [str(folder / name) for name in captions])


def drawn(draw, *data):
    """The figure, laid out."""
    with style.look():
        figure = draw(*data)
        figure.draw_without_rendering()
    return figure


# ------------------------------------------------------------------------------------------------------- the command
@pytest.mark.slow
def test_figures_are_the_listed_files_at_column_width_and_have_the_same_bytes_for_each_user(tmp_path):
    """Here of a run without histories, ablation and fetching: the report's tests draw the others."""
    metrics = papers.write_metrics(tmp_path, papers.MODELS[:2])
    assert papers.make_tables(tmp_path, metrics) is None
    made = {**papers.scores_of(metrics), **papers.write_ccneg(tmp_path, released=True)}
    data = flags_of(tables=tmp_path / "tables.parquet", **made)
    first, second = tmp_path / "first", tmp_path / "second"
    assert call(main, *data, "--histories", "--fetch", "--folder", first) is None
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfont.size: 30\nsvg.hashsalt: mine\n")
    (tmp_path / "other").write_bytes(b"figure.dpi: \xff\n")
    users = {"MATPLOTLIBRC": str(tmp_path / "other"), "MPLBACKEND": "unknown", "MPLCONFIGDIR": "/proc/unwritable"}
    users |= {"LC_ALL": "de_DE.UTF-8", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "1"}
    command = [sys.executable, "-m", main.__module__, *data, "--histories", "--fetch", "--folder", second]
    environment = {**os.environ, **users, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in first.iterdir()} == set(FIGURE_FILES)
    for name in FIGURE_FILES:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    for name in FIGURES:
        with Image.open(first / f"{name}.png") as picture:
            assert picture.width == (2040 if name == "learned" else 1020)
            assert len(picture.convert("L").getcolors()) > 2, "the picture is blank"


@pytest.mark.parametrize(
    ("model", "text", "message"),
    [
        ("conclip-vit-s0", '{"step": 1}\n', "line 1: expected JSON with numbers step and loss"),
        ("conclip-vit-s0", '{"step": 1, "loss": 2}\n{"step": 2, "loss": NaN}\n', "line 2: expected a finite loss"),
        ("stranger", '{"step": 1, "loss": 2}\n', "expected a folder named like a model"),
    ],
)
def test_broken_histories_are_named(made_up_run, tmp_path, model, text, message):
    path = tmp_path / model / "history.jsonl"
    path.parent.mkdir()
    path.write_text(text)
    flags = {**papers.write_ccneg(tmp_path), "scores": [], "histories": path, "fetch": [], "folder": tmp_path}
    said = call(main, tables=made_up_run / "tables.parquet", **flags)
    assert message in said and str(path) in said


# ------------------------------------------------------------------------------------------------------ what is drawn
@pytest.mark.parametrize(
    ("name", "table", "of"),
    [
        ("intro", "negated-prompt", "dataset == 'mean' and metric == 'top1'"),
        ("negated-prompt", "negated-prompt", "metric == 'top1'"),
        ("zeroshot-gain", "zeroshot", "metric == 'gain' and prompt == 'bare' and dataset == 'mean'"),
        ("zeroshot-dots", "zeroshot", "metric == 'top1' and prompt == 'bare' and dataset != 'mean'"),
        ("ccneg-by-word", "ccneg-by-word", "value > 0"),
        ("ccneg-by-pairs", "ccneg-by-pairs", "value > 0"),
        ("ablation", "ablation", "value > 0"),
    ],
)
def test_every_number_has_its_interval(rows, name, table, of):
    expected = rows[(rows.table == table) & (~rows.variant | (table == "ablation"))].query(of)
    assert len(expected) > 1 and expected.low.notna().all()
    across = name in ("negated-prompt", "zeroshot-dots", "ablation")
    figure = drawn(FROM_ROWS[name], rows)
    lines = [line for axes in figure.axes for line in axes.collections if isinstance(line, LineCollection)]
    ends = np.concatenate([np.array(line.get_segments())[:, :, 0 if across else 1] for line in lines])
    for row in expected.itertuples():
        assert np.isclose(ends, [row.low, row.high]).all(axis=1).any(), row


@pytest.mark.parametrize("others", [(), ("CoN-CLIP (released)", "Neg-CLIP", "LaCLIP")])
@pytest.mark.parametrize("name", FROM_ROWS)
def test_no_text_is_cut_off_with_the_papers_backbones_and_models_that_others_released(rows, name, others):
    papers_rows = papers.of_papers_size(rows)
    clip = papers_rows[(papers_rows.backbone == "ViT-B/32") & (papers_rows.family == "CLIP")]
    released = [clip.assign(family=family, label=family, model=family) for family in others]
    assert cut_off(drawn(FROM_ROWS[name], pd.concat([papers_rows, *released], ignore_index=True))) == []


@pytest.mark.parametrize("name", FROM_ROWS)
def test_texts_are_whole_and_apart_with_the_miniatures_methods(rows, name):
    families = ("CLIP, subtraction", "CoN-CLIP (longer)", "CoN-CLIP+", "CoN-CLIP+ (control)", "CoN-CLIP, subtraction")
    one = rows[(rows.backbone == "mini-rn") & (rows.family == "CoN-CLIP") & ~rows.variant]
    methods = [one.assign(family=family, label=family, model=family) for family in families]
    figure = drawn(FROM_ROWS[name], pd.concat([rows, *methods], ignore_index=True))
    assert cut_off(figure) == []
    for axes in figure.axes:
        boxes = [label.get_window_extent() for label in axes.get_xticklabels() if axes.name != "polar"]
        assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))


@pytest.mark.parametrize("run", ["experiments.tsv", "paper-experiments.tsv"])
def test_no_two_methods_of_a_run_have_one_colour(run):
    families = set(pd.read_csv(ROOT / "config" / run, sep="\t").family) | {"CLIP", "CLIP, subtraction"}
    colours = style.family_colours(families | {"CoN-CLIP, subtraction"})
    assert len(set(colours.values())) == len(colours)


def test_the_truth_table_draws_four_means_whose_effects_are_those_of_the_table(rows):
    expected = rows[(rows.table == "truth-table") & (rows.dataset == "truth-table/trained")]
    figure = drawn(truth_table.truth_table, rows)
    panels = {axes.get_title(): axes for axes in figure.axes}
    models = expected.drop_duplicates("model")
    assert len(figure.axes) == len(panels) == 3 + len(models) > 5
    for model in models.itertuples():
        with_it, without, _ = (line.get_ydata() for line in panels[f"{model.label}\n{model.backbone}"].lines)
        found = {
            "text_effect": ((with_it[1] - with_it[0]) + (without[1] - without[0])) / 2,
            "image_effect": ((with_it[0] - without[0]) + (with_it[1] - without[1])) / 2,
            "interaction": ((with_it[0] - with_it[1]) - (without[0] - without[1])) / 2,
        }
        own = expected[expected.model == model.model].set_index("metric").value
        assert found == pytest.approx(own[list(found)].to_dict())
        assert sum(with_it) + sum(without) == pytest.approx(0, abs=1e-9)
    understands = panels["understands"].lines
    assert understands[0].get_ydata()[0] > understands[0].get_ydata()[1] < understands[1].get_ydata()[1]
    assert not drawn(truth_table.truth_table, rows[rows.table != "truth-table"]).axes


@pytest.mark.parametrize("name", FROM_ROWS)
def test_numbers_without_an_interval_are_drawn_all_the_same(rows, name):
    assert drawn(FROM_ROWS[name], rows.assign(low=np.nan, high=np.nan)).axes


def test_no_text_of_scores_and_data_is_cut_off(folder, scores):
    two = scores.models.iloc[:2].assign(label=["CoN-CLIP+ (control)", "CoN-CLIP, subtraction"])
    models = pd.concat([two.assign(backbone=name) for name in ("RN50", "RN101", "ViT-B/32", "ViT-B/16", "ViT-L/14")])
    for found in (ccneg.Scores(models, scores.examples), ccneg.Scores(models, [])):
        assert cut_off(drawn(ccneg.score_examples, found)) == []
    assert cut_off(drawn(dataset.data_statistics, composition(folder))) == []


def test_no_text_of_training_curves_and_failed_links_is_cut_off(tmp_path, tables):
    curves = losses.read_histories(papers.write_histories(tmp_path), tables)
    models = curves.groupby("label").model.nunique().to_dict()
    assert models == {"L1": 1, "L1 on CREPE-Negate": 1, "L2": 1, "L_conclip": 3}
    assert cut_off(drawn(losses.training_curves, curves)) == []
    summary = dataset.read_fetch_summary(papers.write_fetch_summary(tmp_path / "summary.json"))
    figure = drawn(dataset.fetch_failures, summary)
    assert cut_off(figure) == []
    assert {"60", "9", "5"} <= {text.get_text() for text in figure.axes[0].texts}  # two classes of dns are one
    summary["failures"].clear()
    assert drawn(dataset.fetch_failures, summary).texts[0].get_text() == "Every row has an image."


# -------------------------------------------------------------------------------------------------- scores of CC-Neg
def test_margins_say_the_accuracy_and_take_all_seeds(scores):
    found = scores.models.set_index(["backbone", "label"]).margins
    assert set(found.index) == {(b, f) for b in ("mini-vit", "mini-rn") for f in ("CLIP", "CoN-CLIP")}
    assert len(found["mini-vit", "CoN-CLIP"]) == 240 and len(found["mini-rn", "CoN-CLIP"]) == 120
    for backbone in ("mini-vit", "mini-rn"):
        margins = found[backbone, "CLIP"]
        assert 100 * (margins >= 0).mean() == pytest.approx(papers.value(backbone, "cc-neg", None, "accuracy"))
        assert np.abs(margins) == pytest.approx(10)  # 100 times the tests' 0.1


def test_examples_are_drawn_without_a_look_at_their_scores(folder, scores):
    assert len(scores.examples) == ccneg.EXAMPLES
    stored = read_samples(folder / "eval-00000.tar")
    images = {np.asarray(Image.open(io.BytesIO(parts["jpg"]))).tobytes(): key for key, parts in stored}
    clip = papers.ccneg_of("mini-rn").set_index("key").score_true
    keys = [images[example.image.tobytes()] for example in scores.examples]
    assert len(set(keys)) == ccneg.EXAMPLES and keys != sorted(keys)
    for key, example in zip(keys, scores.examples, strict=True):
        assert list(example.scores.index) == ["CLIP", "CoN-CLIP"]
        assert example.scores.score_true["CLIP"] == pytest.approx(100 * clip[key])


def test_scores_of_strangers_and_scores_without_the_examples_are_named(made_up_run, read_scores, tmp_path):
    with pytest.raises(ValueError, match=r"stranger/ccneg\.parquet: expected a folder named like a model"):
        read_scores([tmp_path / "stranger" / "ccneg.parquet"])
    others = [path for path in made_up_run.glob("evaluate/[!b]*/ccneg.parquet") if path.parent.name != "mini-rn"]
    few = tmp_path / "mini-rn" / "ccneg.parquet"
    write_parquet(few, papers.ccneg_of("mini-rn").iloc[[0]])
    with pytest.raises(ValueError, match="expected a score of each sample, found none of 0000"):
        read_scores([few, *others])


# ------------------------------------------------------------------------------------------------------ CC-Neg itself
@pytest.mark.parametrize("released", [False, True])
def test_the_data_are_counted(tmp_path, released):
    papers.write_ccneg(tmp_path, released=released)
    found = composition(tmp_path, () if released else ("captions.parquet",))
    words = ("no", "not", "without")
    assert found.words.to_dict() == {"train": dict.fromkeys(words, 80), "eval": dict.fromkeys(words, 40)}
    assert found.pairs["eval"].to_dict() == {1: 60, 2: 40, 5: 20}  # 10 pairs count as 5
    assert found.lengths["caption"].sum() == found.lengths["negated_caption"].sum() == 360
    assert list(found.lengths["caption"][6:8]) == [41, 41]  # "a small dog on a sofa"; "a very small dog ..."
    assert (found.lengths["negated_caption"][1:] == found.lengths["caption"]).all()
    assert found.rows == 480
    assert list(found.left_out.items()) == [("no image", 90), ("no-pair", 20), ("no-rule", 9), ("unfaithful", 1)]


def test_rows_that_do_not_add_up_are_refused(tmp_path):
    papers.write_ccneg(tmp_path)
    content = read_json(tmp_path / "index.json")
    content["rows"]["samples"] -= 1
    write_json(tmp_path / "index.json", content)
    with pytest.raises(ValueError, match="121 rows are no sample, but 120 lack their image or were refused"):
        composition(tmp_path)
    write_json(tmp_path / "index.json", [])
    with pytest.raises(ValueError, match=r"index\.json: expected the counts rows, samples and without_image"):
        composition(tmp_path)


@pytest.mark.slow
def test_the_layout_does_not_depend_on_addresses_in_memory(scores, tmp_path, monkeypatch):
    """Objects that come and go before a figure is drawn scatter those of the layout's solver."""
    monkeypatch.setattr(style, "FIGURE_FORMATS", ["svg"])
    rng, found = random.Random(0), set()
    for step in (2, 3, 5, 2, 3, 5, 2, 3):
        scattered = rng.sample([bytes(rng.randrange(16, 600)) for _ in range(20_000)], 10_000)
        del scattered[::step]
        with style.look():
            style.save(ccneg.score_examples(scores), tmp_path, "examples")
        found.add((tmp_path / "examples.svg").read_bytes())
    assert len(found) == 1
