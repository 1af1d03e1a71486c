"""Scoring by subtraction: what captions affirm and deny, the features, and models of their own in the tables."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from benchmarks import evaluate, random_rows, read_text, write_features, write_questions, write_triplets
from conftest import ROOT
from papers import MODELS, make_tables, write_metrics
from workflows import add_row, configuration, plan

from pipeline_lib.config.checks import evaluated_models, read_experiments
from pipeline_lib.evaluate import benchmark, ccneg, zeroshot
from pipeline_lib.evaluate.kinds import KINDS, read_annotations
from pipeline_lib.evaluate.split import CUES, NOTHING, split
from pipeline_lib.evaluate.subtract import encode
from pipeline_lib.jobs.files import read_json
from pipeline_lib.jobs.run_record import baseline, subtracted
from pipeline_lib.paper.tables.claims import judge
from pipeline_lib.paper.tables.schema import read_tables
from pipeline_lib.preflight.requirements import Requirements, leave_out


# ----------------------------------------------------------------------------------------------------- the splitter
@pytest.mark.parametrize(
    ("caption", "affirmed", "denied"),
    [
        # the forms of negated captions
        ("a dog not on a mat in a hall", "a dog in a hall", ["on a mat"]),
        ("kite that is not over a lake", "kite", ["over a lake"]),
        ("red kite but not in winter , in slow motion", "red kite , in slow motion", ["in winter"]),
        ("goats not climbing up a rock near a farm", "goats near a farm", ["climbing up a rock"]),
        ("a cook sitting on a bench without holding a pan", "a cook sitting on a bench", ["holding a pan"]),
        ("there is no goat on the hill", NOTHING, ["goat on the hill"]),
        ("the tram is not red", "the tram", ["red"]),
        ("the goat does not wear a bell", "the goat", ["wear a bell"]),
        ("a goat cannot fly over a lake", "a goat", ["fly over a lake"]),
        ("a goat and no bell", "a goat", ["bell"]),
        ("a cook wearing no hat in a hall", "a cook in a hall", ["wearing hat"]),
        ("a cook without a hat in a hall", "a cook in a hall", ["a hat"]),
        ("a bench with no lake nearby", "a bench", ["lake nearby"]),
        ("not a drawing of a goat on a hill", NOTHING, ["a drawing of a goat on a hill"]),
        # questions with several captions
        ("This image shows a kite, but no tram is included.", "this image shows a kite", ["tram"]),
        ("A kite is present in this image, while a tram is not.", "a kite is present in this image", ["a tram"]),
        ("This image has a kite, with no tram in sight", "this image has a kite", ["tram"]),
        ("This picture includes a kite but lacks a tram.", "this picture includes a kite", ["a tram"]),
        ("This image contains a kite, but is missing a tram.", "this image contains a kite", ["a tram"]),
        ("No kite is shown in this image.", NOTHING, ["kite"]),
        ("This image doesn't feature a kite.", NOTHING, ["a kite"]),
        ("A kite is noticeably absent from this image.", NOTHING, ["a kite"]),
        ("Noticeably absent from this image is a kite.", NOTHING, ["a kite"]),
        ("Note the absence of a kite in this image.", NOTHING, ["a kite"]),
        ("A kite is nowhere to be found here.", NOTHING, ["a kite"]),
        ("You see no kites .", NOTHING, ["kites"]),
        # prompts and wordings of one's own
        ("this is not a photo of a goat", NOTHING, ["a photo of a goat"]),
        ("a picture with a kite but no red tram", "a picture with a kite", ["red tram"]),
        ("a kite is not in the picture", NOTHING, ["a kite"]),
        ("the picture does not show a kite", NOTHING, ["a kite"]),
        ("there is no kite", NOTHING, ["kite"]),
        # what phrases mean one of two boxes
        ("a goat whose horn is not visible", "a goat", ["horn"]),
        ("a bench with no one sitting on it", "a bench", ["person sitting on it"]),
        ("a shelf with no cups and a jar", "a shelf and a jar", ["cups"]),
        ("a shelf without cups or plates", "a shelf", ["cups or plates"]),
        ("a goat with no spots on its legs", "a goat", ["spots on its legs"]),
        ("a hall without a dining table", "a hall", ["a dining table"]),
        ("a goat, not watching the cook who is asleep", "a goat", ["watching the cook who is asleep"]),
        ("a goat without a bell next to a cook without a hat", "a goat next to a cook", ["a bell", "a hat"]),
        ("neither a kite nor a tram is visible", NOTHING, ["a kite or a tram"]),
        ("“No kite can be seen”", NOTHING, ["kite"]),
    ],
)  # fmt: skip
def test_what_a_caption_affirms_and_denies(caption, affirmed, denied):
    assert split(caption) == (affirmed, denied)


@pytest.mark.parametrize(
    "caption",
    ["A Goat, on a Hill.", "", " ", ",", "no", "without", "not", "a table without", "a no parking sign", "bus no . 7",
     "not only a goat", "a knot", "a red do not enter sign", "a notable goat"],
)  # fmt: skip
def test_what_denies_nothing_stays_as_it_stands(caption):
    assert split(caption) == (caption, [])


def test_splitting_never_fails_and_loses_no_denial():
    rng = np.random.default_rng(0)
    words = [*CUES, "a", "dog", ",", ".", "is", "with", "and", "on", "in", "there", "it", "that", "missing", "7", "'"]
    for length in rng.integers(1, 12, 3000):
        caption = " ".join(rng.choice(sorted(words), length))
        affirmed, denied = split(caption)
        assert (affirmed == caption) if not denied else (affirmed and all(denied))
        assert {*" ".join(denied).split()} <= {*re.findall(r"\w+|[^\w\s]", caption), "present", *CUES}


NEGATED = re.compile(
    r"\b(?:no|not|without|nor|neither|never|none|nobody|nothing|cannot|missing|nowhere)\b|n't\b|"
    r"\b(?:lack|absen|exclud|omit|devoid|free of)",
    re.I,
)


@pytest.mark.parametrize(
    ("kind", "file", "share"),
    [
        ("mcq", "negbench/COCO_val_mcq_llama3.1_rephrased.csv", 0.995),
        ("mcq", "negbench/VOC2007_mcq_llama3.1_rephrased.csv", 0.995),
        ("retrieval", "negbench/COCO_val_retrieval.csv", 0.85),  # the others are signs, such as "no parking"
        ("valse", "valse_existence.json", 0.99),
        ("negrefcocog", "negrefcocog.json", 0.97),  # the others are numbers, such as "no . 35"
    ],
)
def test_share_of_the_published_negated_captions_that_are_split(real_data, kind, file, share):
    rows = read_annotations(kind, real_data / file)
    captions = {text for row in rows for text in row.captions}
    denying = [text for text in captions if NEGATED.search(text)]
    assert np.mean([bool(split(text).denied) for text in denying]) >= share
    assert not any(split(text).denied for text in captions.difference(denying))


# ------------------------------------------------------------------------------------------------------ the features
CAPTIONS = ["a goat with no bell next to a cook without a hat", "a red kite", "no dog", "This is not a goat."]


def slowly(model, caption, weight):
    """The feature of a caption by subtraction, its texts encoded one by one as clip does it."""
    affirmed, denied = split(caption)
    if not denied:
        return read_text(model, caption)
    difference = read_text(model, affirmed) - weight * sum(read_text(model, text) for text in denied) / len(denied)
    return difference / difference.norm()


def test_features_are_those_of_what_is_affirmed_minus_what_is_denied(tiny_clip):
    found = encode(tiny_clip, [*CAPTIONS, CAPTIONS[0]], 0.7)
    expected = torch.stack([slowly(tiny_clip, caption, 0.7) for caption in [*CAPTIONS, CAPTIONS[0]]])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    plain = torch.stack([read_text(tiny_clip, caption) for caption in CAPTIONS])
    torch.testing.assert_close(encode(tiny_clip, CAPTIONS), plain, rtol=1e-4, atol=1e-5)
    assert encode(tiny_clip, ["no " + "kite " * 90], 0.7, cut=True).shape == (1, 32)


def test_every_evaluation_scores_by_subtraction_and_says_so(tmp_path, tiny_clip, tiny_checkpoint):
    rows = random_rows(4)
    features = write_features(tmp_path / "f.safetensors", tiny_clip, "abcd", rows, torch.tensor([0, 1, 1, 0]))
    triplets = write_triplets(tmp_path / "eval.parquet", "abcd", "a kite", CAPTIONS)
    flags = ("--triplets", triplets, "--features", features, "--embeddings", tmp_path / "e.json")
    by_subtraction = torch.stack([slowly(tiny_clip, caption, 0.85) for caption in CAPTIONS])

    items, metrics = evaluate(ccneg.main, tmp_path, tiny_checkpoint, *flags, "--subtract", 0.85)
    assert items["score_negated"].tolist() == pytest.approx((rows * by_subtraction).sum(dim=1).tolist(), abs=1e-5)
    expected = baseline("tiny-subtract", "CLIP, subtraction", "tiny")
    assert {field: metrics[field] for field in expected} == expected
    assert read_json(tmp_path / "e.json")["model"] == "tiny-subtract"

    path = write_questions(tmp_path / "mcq.csv", [["a.jpg", *CAPTIONS, 1, "positive"]])
    flags = ("--kind", "mcq", "--benchmark", "mcq", "--annotations", path, "--features", features, "--count", "none")
    items, metrics = evaluate(benchmark.main, tmp_path, tiny_checkpoint, *flags, "--subtract", 0.85)
    scores = items[list(KINDS["mcq"].scores)].to_numpy()[0]
    assert scores == pytest.approx((by_subtraction @ rows[0]).numpy(), abs=1e-5) and metrics["model"] == "tiny-subtract"

    (tmp_path / "classes.txt").write_text("dog\nkite\n")
    flags = ("--dataset", "pets", tmp_path / "classes.txt", features, "--prompt", "negated", "this is not a {}")
    items, metrics = evaluate(zeroshot.main, tmp_path, tiny_checkpoint, *flags, "--subtract", 0.85)
    weights = torch.stack([slowly(tiny_clip, f"this is not a {name}", 0.85) for name in ("dog", "kite")])
    assert items["predicted"].tolist() == (rows @ weights.T).argmax(dim=1).tolist()
    assert metrics["model"] == "tiny-subtract"


# ------------------------------------------------------------------------------------- models of a run by subtraction
def test_a_model_by_subtraction_keeps_its_backbone_and_its_seed():
    finetuned = {**baseline("conclip-s3", "CoN-CLIP", "tiny"), "loss": "conclip", "negatives": "ccneg", "seed": 3}
    assert subtracted(**finetuned) == {
        **baseline("conclip-subtract-s3", "CoN-CLIP, subtraction", "tiny"), "seed": 3
    }  # fmt: skip
    assert subtracted(**baseline("tiny")) == baseline("tiny-subtract", "CLIP, subtraction", "tiny")


def test_models_by_subtraction_have_the_benchmarks_of_the_model():
    config = configuration()
    config["backbones"]["models"]["mini-slim"]["benchmarks"] = ["ccneg", "zeroshot"]
    config["evaluate"]["subtract"]["models"] = ["conclip-slim", "mini-slim"]
    found = evaluated_models(config, read_experiments(config))
    assert [name for name in found if "subtract" in name] == ["mini-slim-subtract", "conclip-slim-subtract-s0"]
    assert found["mini-slim-subtract"] == found["mini-slim"] == ["ccneg", "zeroshot"]


@pytest.mark.parametrize(
    ("models", "row", "message"),
    [
        (["mini-rm"], (), r"subtract/models: expected backbones .* experiments of .*; found 'mini-rm'.*mini-rn"),
        (["conclip-rn-s0"], (), r"found 'conclip-rn-s0'"),
        (["conclip-rn"], ("conclip-rn-subtract", "X", "mini-rn", "l1", "ccneg", "0"), r"s0 by subtraction is conclip"),
    ],
)  # fmt: skip
def test_models_that_the_run_does_not_have_are_refused(tmp_path, models, row, message):
    config = configuration()
    sheet = shutil.copy(ROOT / config["finetune"]["experiments"], tmp_path / "sheet.tsv")
    if row:
        add_row(sheet, *row)
    config["finetune"]["experiments"] = str(sheet)
    config["evaluate"]["subtract"]["models"] = models
    with pytest.raises(ValueError, match=message):
        read_experiments(config)


def test_the_workflow_takes_weights_and_features_of_the_model(empty_copy):
    jobs = {job.wildcards["model"]: job for job in plan(empty_copy) if job.rule == "evaluate_ccneg"}
    finetuned, by_subtraction = jobs["conclip-rn-s0"], jobs["conclip-rn-subtract-s0"]
    assert by_subtraction.input == finetuned.input
    assert "--subtract 0.85" in by_subtraction.command and "--subtract" not in finetuned.command
    assert "--subtract 0.85" in jobs["mini-rn-subtract"].command


def test_what_lacks_its_data_is_left_out_by_subtraction_too():
    config = configuration()
    config["backbones"]["models"]["other"] = {"source": "checkpoint", "path": "other.pt", "activation": "gelu"}
    config["evaluate"]["subtract"]["models"] = ["other", "mini-rn", "crepe-rn"]
    experiments = read_experiments(config)
    assert Requirements(config, experiments).model("other-subtract") == {"backbones/models/other"}
    override = leave_out(config, experiments, ["backbones/models/other", "finetune/crepe_captions"])
    assert override.config["evaluate"] == {"subtract": {"models": ["mini-rn"]}}
    assert "evaluate/subtract/models: other, crepe-rn" in override.left_out


def test_rows_of_their_own_that_no_claim_is_about(tmp_path):
    fields = ("model", "family", "backbone", "loss", "negatives", "seed")
    chosen = [model for model in MODELS if model[0] in ("mini-vit", "conclip-vit-s0", "conclip-vit-s1", "l1-vit-s0")]
    more = [tuple(subtracted(**dict(zip(fields, model, strict=True))).values()) for model in chosen[:3]]
    assert make_tables(tmp_path, write_metrics(tmp_path, [*chosen, *more])) is None
    tables, _ = read_tables(tmp_path / "tables.parquet")
    accuracy = tables[(tables.table == "ccneg") & tables.family.str.endswith("subtraction")].set_index("model")
    assert accuracy.seeds.to_dict() == {
        "mini-vit-subtract": 1, "conclip-vit-subtract-s0": 1, "conclip-vit-subtract-s1": 1, "conclip-vit-subtract": 2
    }  # fmt: skip
    assert accuracy.p.notna().all() and accuracy.published.isna().all()  # tested against the CLIP itself
    for table in ("ccneg", "negation", "negated-prompt"):
        shown = pd.read_csv(tmp_path / "tables" / f"{table}.csv").model.unique().tolist()  # as a person reads it
        assert shown == ["CLIP", "CLIP, subtraction", "CoN-CLIP (2 seeds)", "CoN-CLIP, subtraction (2 seeds)"]
    assert not judge(tables).model.str.contains("subtract").any()
