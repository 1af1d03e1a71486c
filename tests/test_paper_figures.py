"""What the figures show: intervals, margins, examples, the composition of CC-Neg; and that nothing is cut off."""

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.text import Text
from papers import MODELS, ccneg_of, make_tables, scores_of, value, write_ccneg, write_metrics
from PIL import Image

from pipeline_lib.formats.tars import read_samples
from pipeline_lib.jobs.files import read_json, write_json, write_parquet
from pipeline_lib.paper.figures import ccneg as plots_ccneg
from pipeline_lib.paper.figures import composition, margins, style
from pipeline_lib.paper.figures import losses as plots_losses
from pipeline_lib.paper.figures import zeroshot as plots_zeroshot
from pipeline_lib.paper.tables.layout import compared, displayed
from pipeline_lib.paper.tables.schema import read_tables

NAMES = ("RN50", "RN101", "ViT-B/32", "ViT-B/16", "ViT-L/14")
SETS = (
    "imagenet-1k",
    "cifar-100",
    "cifar-10",
    "stanford-cars",
    "caltech-101",
    "food-101",
    "flowers-102",
    "oxford-pets",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the scores and tables of two backbones, one of them with two seeds and an ablation."""
    folder = tmp_path_factory.mktemp("figures")
    metrics = write_metrics(folder, MODELS)
    made = make_tables(folder, metrics)
    assert made.returncode == 0, made.stderr
    (folder / "scores").write_text("\n".join(scores_of(metrics)[1:]))
    write_ccneg(folder)
    return folder


@pytest.fixture(scope="module")
def tables(folder):
    """The tidy table."""
    return read_tables(folder / "tables.parquet")[0]


@pytest.fixture(scope="module")
def rows(tables):
    """The rows that figures show."""
    return compared(displayed(tables))


@pytest.fixture(scope="module")
def papers_rows(rows):
    """The same as of the paper's five backbones and eight datasets."""
    few = rows[~rows.dataset.isin(["kinds", "colours", "counts"])]
    one = rows[rows.dataset == "kinds"]
    many = pd.concat([*(one.assign(dataset=name) for name in SETS), few], ignore_index=True)
    parts = []
    for name in NAMES:
        part = many[many.backbone == ("mini-vit" if name == "ViT-B/32" else "mini-rn")]
        parts.append(part.assign(backbone=name, model=part.model + name))
    return pd.concat(parts, ignore_index=True)


def read(folder, tables, rows) -> margins.Margins:
    """What the scores' figure shows."""
    return margins.read_margins(
        (folder / "scores").read_text().split("\n"), str(folder / "eval-00000.tar"), tables, rows
    )


def counted(folder, captions=("captions.parquet",)) -> composition.Composition:
    """What the data's figure shows."""
    splits = {split: str(folder / f"{split}.parquet") for split in ("train", "eval")}
    return composition.read_composition(splits, str(folder / "index.json"), [str(folder / name) for name in captions])


FROM_ROWS = {
    "negated-prompt": (plots_zeroshot.negated_prompt, 6.0),
    "zeroshot-dots": (plots_zeroshot.zeroshot_dots, 4.2),
    "intro": (plots_zeroshot.intro, 2.1),
    "zeroshot-gain": (plots_zeroshot.zeroshot_gain, 2.1),
    "zeroshot-radar": (plots_zeroshot.zeroshot_radar, 5.1),
    "ccneg-by-word": (plots_ccneg.ccneg_by_word, 2.1),
    "ccneg-by-pairs": (plots_ccneg.ccneg_by_pairs, 2.1),
    "ablation": (plots_losses.ablation, 2.6),
    "embeddings": (plots_losses.embeddings, 4.0),
}


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
    draw, height = FROM_ROWS[name]
    across = name in ("negated-prompt", "zeroshot-dots", "ablation")
    with style.figure(height) as drawn:
        draw(drawn, rows)
        lines = [line for axes in drawn.axes for line in axes.collections if isinstance(line, LineCollection)]
        ends = np.concatenate([np.array(line.get_segments())[:, :, 0 if across else 1] for line in lines])
    for row in expected.itertuples():
        assert np.isclose(ends, [row.low, row.high]).all(axis=1).any(), row


@pytest.mark.parametrize("name", FROM_ROWS)
def test_numbers_without_an_interval_are_drawn_all_the_same(rows, name):
    draw, height = FROM_ROWS[name]
    with style.figure(height) as drawn:
        draw(drawn, rows.assign(low=np.nan, high=np.nan))
        drawn.draw_without_rendering()


def cut_off(drawn) -> list[str]:
    """The texts that reach beyond the figure's edge."""
    drawn.draw_without_rendering()
    unseen = set()  # of ticks beyond the ends of their axis
    for axis in (axis for axes in drawn.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        unseen |= {text for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high
                   for text in (tick.label1, tick.label2)}  # fmt: skip
    found = []
    for text in drawn.findobj(Text):
        if text not in unseen and text.get_visible() and text.get_text().strip():
            box = text.get_window_extent()
            if min(box.x0, box.y0) < -1 or box.x1 > drawn.bbox.width + 1 or box.y1 > drawn.bbox.height + 1:
                found.append(text.get_text())
    return found


@pytest.mark.parametrize("name", FROM_ROWS)
def test_no_text_is_cut_off_with_the_papers_backbones_and_datasets(papers_rows, name):
    draw, height = FROM_ROWS[name]
    with style.figure(height) as drawn:
        draw(drawn, papers_rows)
        assert cut_off(drawn) == []


@pytest.mark.parametrize("name", FROM_ROWS)
def test_no_text_is_cut_off_with_models_that_others_released(papers_rows, name):
    clip = papers_rows[(papers_rows.backbone == "ViT-B/32") & (papers_rows.family == "CLIP")]
    others = [
        clip.assign(family=family, label=family, model=family)
        for family in ("CoN-CLIP (released)", "Neg-CLIP", "LaCLIP")
    ]
    draw, height = FROM_ROWS[name]
    with style.figure(height) as drawn:
        draw(drawn, pd.concat([papers_rows, *others], ignore_index=True))
        assert cut_off(drawn) == []


def test_no_text_of_scores_and_data_is_cut_off(folder, tables, rows):
    shown = read(folder, tables, rows)
    many = [(name, label, label, found) for name in NAMES for _, label, _, found in shown.models[:2]]
    for data, draw in (
        (shown._replace(models=many), margins.score_examples),
        (shown._replace(examples=[]), margins.score_examples),
        (counted(folder), composition.data_statistics),
    ):
        with style.figure(data.height_in) as drawn:
            draw(drawn, data)
            assert cut_off(drawn) == []


def test_margins_say_the_accuracy_and_take_all_seeds(folder, tables, rows):
    found = {(backbone, label): margins for backbone, label, _, margins in read(folder, tables, rows).models}
    assert set(found) == {(b, f) for b in ("mini-vit", "mini-rn") for f in ("CLIP", "CoN-CLIP")}
    assert len(found["mini-vit", "CoN-CLIP"]) == 240 and len(found["mini-rn", "CoN-CLIP"]) == 120
    for (backbone, label), of in found.items():
        if label == "CLIP":
            assert 100 * (of >= 0).mean() == pytest.approx(value(backbone, "cc-neg", None, "accuracy"))
            assert np.abs(of) == pytest.approx(10)  # 100 times the tests' 0.1


def test_examples_are_drawn_without_a_look_at_their_scores(folder, tables, rows):
    found = read(folder, tables, rows).examples
    assert len(found) == margins.EXAMPLES and all(list(item.scores.family) == ["CLIP", "CoN-CLIP"] for item in found)
    images = {
        key: np.asarray(Image.open(io.BytesIO(parts["jpg"]))) for key, parts in read_samples(folder / "eval-00000.tar")
    }
    clip = ccneg_of("mini-rn").set_index("key").score_true
    keys = [next(key for key, image in images.items() if np.array_equal(image, item.image)) for item in found]
    assert len(set(keys)) == margins.EXAMPLES and keys != sorted(keys)
    for key, item in zip(keys, found, strict=True):
        assert item.scores.score_true[0] == pytest.approx(100 * clip[key])


def test_scores_of_strangers_and_scores_without_the_examples_are_named(folder, tables, rows, tmp_path):
    path = tmp_path / "stranger" / "ccneg.parquet"
    images = str(folder / "eval-00000.tar")
    with pytest.raises(ValueError, match=r"stranger/ccneg\.parquet: expected a folder named like a model"):
        margins.read_margins([str(path)], images, tables, rows)
    few = tmp_path / "mini-rn" / "ccneg.parquet"
    write_parquet(few, ccneg_of("mini-rn").iloc[[0]])
    with pytest.raises(ValueError, match="expected a score of each sample, found none of 0000"):
        margins.read_margins([str(few), str(folder / "evaluate/conclip-rn-s0/ccneg.parquet")], images, tables,
                             rows[rows.backbone == "mini-rn"])  # fmt: skip


@pytest.mark.parametrize("released", [False, True])
def test_the_data_are_counted(tmp_path, released):
    write_ccneg(tmp_path, released=released)
    found = counted(tmp_path, () if released else ("captions.parquet",))
    assert found.words.to_dict() == {
        split: dict.fromkeys(("no", "not", "without"), n) for split, n in {"train": 80, "eval": 40}.items()
    }
    assert found.pairs["eval"].to_dict() == {1: 60, 2: 40, 5: 20}  # 10 pairs count as 5
    assert found.lengths["caption"].sum() == found.lengths["negated_caption"].sum() == 360
    assert list(found.lengths["caption"][6:8]) == [41, 41]  # "a small dog on a sofa"; "a very small dog ..."
    assert (found.lengths["negated_caption"][1:] == found.lengths["caption"]).all()
    assert found.rows == 480
    assert list(found.left_out.items()) == [("no image", 90), ("no-pair", 20), ("no-rule", 9), ("unfaithful", 1)]


def test_rows_that_do_not_add_up_are_refused(tmp_path):
    write_ccneg(tmp_path)
    content = read_json(tmp_path / "index.json")
    content["rows"]["samples"] -= 1
    write_json(tmp_path / "index.json", content)
    with pytest.raises(ValueError, match="121 rows are no sample, but 120 lack their image or were refused"):
        counted(tmp_path)
    write_json(tmp_path / "index.json", [])
    with pytest.raises(ValueError, match=r"index\.json: expected the counts rows, samples and without_image"):
        counted(tmp_path)
