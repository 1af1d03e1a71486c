"""The spread of text embeddings: closed forms against loops over pairs, known cases, and the command's file."""

import pandas as pd
import pytest
import torch
from conftest import call
from torch.nn import functional

from pipeline_lib.clip.load import clip
from pipeline_lib.evaluate import ccneg
from pipeline_lib.evaluate.spread import dimensions, mean_pairwise_cosine, spread_metrics
from pipeline_lib.features.store import Features, save_features, tower_id
from pipeline_lib.jobs.files import read_json, write_json, write_parquet
from pipeline_lib.jobs.run_record import baseline


def embeddings(n, d, seed=0, cone=0.0):
    """n random rows of length 1, around a common direction if `cone` is not 0."""
    rows = torch.randn(n, d, generator=torch.Generator().manual_seed(seed))
    rows[:, 0] += cone
    return functional.normalize(rows, dim=1)


@pytest.mark.parametrize("cone", [0.0, 3.0, 1000.0])
def test_closed_forms_are_those_of_all_pairs(cone):
    rows = embeddings(30, 8, cone=cone)
    pairs = [torch.dot(rows[i].double(), rows[j].double()).item() for i in range(30) for j in range(30) if i != j]
    assert mean_pairwise_cosine(rows) == pytest.approx(sum(pairs) / len(pairs), abs=1e-6)
    variances = torch.linalg.eigvalsh(torch.cov(rows.double().T))
    assert dimensions(rows) == pytest.approx((variances.sum() ** 2 / variances.square().sum()).item(), rel=1e-6)


def test_known_cases():
    assert mean_pairwise_cosine(torch.eye(4)) == pytest.approx(0)
    opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert mean_pairwise_cosine(opposite) == pytest.approx(-1)
    assert dimensions(opposite) == pytest.approx(1)
    assert dimensions(torch.cat([torch.eye(5), -torch.eye(5)])) == pytest.approx(5)
    collapsed = embeddings(1, 16).repeat(50, 1)
    assert mean_pairwise_cosine(collapsed) == pytest.approx(1)
    assert dimensions(collapsed) == 0
    with pytest.raises(ValueError, match="at least two captions"):
        mean_pairwise_cosine(torch.eye(1))


def test_a_narrow_cone_has_a_high_cosine_and_keeps_its_dimensions():
    wide, narrow = embeddings(2000, 16), embeddings(2000, 16, cone=20.0)
    assert mean_pairwise_cosine(wide) < 0.1 and mean_pairwise_cosine(narrow) > 0.9
    assert dimensions(wide) > 14 and dimensions(narrow) > 14


def test_collapsed_negations_show_and_their_captions_do_not():
    captions, negated = embeddings(500, 16), embeddings(500, 16, seed=1, cone=1000.0)
    found = {(one["dataset"], one["metric"]): one["value"] for one in spread_metrics(captions, negated)}
    assert found["cc-neg/negated", "cosine"] > 0.99 > 0.1 > found["cc-neg/captions", "cosine"]
    own = functional.cosine_similarity(captions, negated).mean().item()
    assert found["cc-neg/own-negation", "cosine"] == pytest.approx(own, abs=1e-6)


def test_the_command_writes_the_spread_of_the_texts_that_it_scores(tmp_path, tiny_clip, tiny_checkpoint):
    captions = ["a dog on a sofa", "a cat", "a red ball"]
    negated = ["a dog not on a sofa", "no cat", "a ball that is not red"]
    keys = ["a", "b", "c"]
    frame = {"key": keys, "caption": captions, "negated_caption": negated, "negation_word": "not", "n_pairs": 1}
    write_parquet(tmp_path / "eval.parquet", pd.DataFrame(frame))
    write_json(tmp_path / "run.json", baseline("tiny"))
    features = tmp_path / "features.safetensors"
    save_features(features, Features(keys, embeddings(3, 32), None, tower_id(tiny_clip)))
    flags = ("--weights", tiny_checkpoint, "--record", tmp_path / "run.json", "--features", features, "--threads", 1)
    outputs = ("--scores", tmp_path / "s.parquet", "--metrics", tmp_path / "m.json")
    triplets = ("--triplets", tmp_path / "eval.parquet")
    assert call(ccneg.main, *flags, *triplets, *outputs, "--embeddings", tmp_path / "embeddings.json") is None
    written = read_json(tmp_path / "embeddings.json")
    assert (written["benchmark"], written["model"], written["family"]) == ("embeddings", "tiny", "CLIP")
    with torch.no_grad():
        texts = [
            functional.normalize(tiny_clip.encode_text(clip.tokenize(side)), dim=1) for side in (captions, negated)
        ]
    for found, expected in zip(written["metrics"], spread_metrics(*texts), strict=True):
        assert found.pop("value") == pytest.approx(expected.pop("value"), rel=1e-4)
        assert found == expected
