"""Distractors: the best image against a plain double loop, and ties."""

import pandas as pd
import pytest
import torch
from conftest import call, write_pool
from torch.nn import functional

from pipeline_lib.clip.tokenizer import tokenize
from pipeline_lib.distractors import choose
from pipeline_lib.distractors.choose import best_images
from pipeline_lib.features import encode
from pipeline_lib.features.store import load_features
from pipeline_lib.jobs.files import read_parquet, write_parquet


def test_the_distractor_has_the_highest_difference_of_cosines():
    torch.manual_seed(0)
    images, exclusions, objects = (functional.normalize(torch.randn(n, 8), dim=-1) for n in (20, 6, 6))
    scores, rows = best_images(images, exclusions, objects)
    for sample in range(6):
        differences = [float(image @ exclusions[sample] - image @ objects[sample]) for image in images]
        assert rows[sample] == differences.index(max(differences))
        assert abs(scores[sample] - max(differences)) < 1e-5


def test_it_shows_the_exclusion_caption_and_not_the_object_and_ties_go_to_the_first():
    axes = torch.eye(3)  # 0: what stays, 1: the object, 2: something else
    images = functional.normalize(torch.stack([axes[0] + axes[1], axes[0], axes[2], axes[0]]), dim=-1)
    _, rows = best_images(images, axes[:1], axes[1:2])
    assert rows.tolist() == [1]


def test_the_commands_choose_from_all_shards_of_a_pool(tmp_path, tiny_clip, tiny_checkpoint):
    def command(module, *flags):
        assert call(module.main, "--weights", tiny_checkpoint, "--threads", 1, *flags) is None

    shards = [tmp_path / f"{part:05d}.safetensors" for part in range(3)]
    for part, (path, count) in enumerate(zip(shards, (4, 0, 5), strict=True)):
        write_pool(tmp_path / "pool.tar", count, first=10 * part)
        pool = ("--reader", "tar", "--images", tmp_path / "pool.tar", "--part", 0, "--parts", 1)
        command(encode, *pool, "--batch-size", 3, "--precision", "fp32", "--output", path)
    pool = load_features(shards)
    assert len(pool.keys) == 9

    texts = {"exclusion_caption": ["a dog", "a red ball"], "object": ["a sofa", "a dog"]}
    write_parquet(tmp_path / "train.parquet", pd.DataFrame({"key": ["p", "q"], **texts}))
    output = ("--output", tmp_path / "chosen.parquet")
    command(choose, "--triplets", tmp_path / "train.parquet", "--features", *shards, *output)
    chosen = read_parquet(tmp_path / "chosen.parquet")
    with torch.no_grad():
        exclusions, objects = (
            functional.normalize(tiny_clip.encode_text(tokenize(part)), dim=-1) for part in texts.values()
        )
    scores = pool.features @ (exclusions - objects).T  # (9, 2)
    assert chosen["key"].tolist() == ["p", "q"]
    assert chosen["distractor"].tolist() == [pool.keys[row] for row in scores.argmax(dim=0)]
    assert chosen["score"].tolist() == pytest.approx(scores.max(dim=0).values.tolist(), abs=1e-5)
