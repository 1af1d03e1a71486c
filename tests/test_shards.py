"""Shards: joining images and captions, the split, and the index."""

import json

import pandas as pd
import pytest
from conftest import call, write_pool

from pipeline_lib.formats.tars import read_samples
from pipeline_lib.jobs.files import read_json, read_parquet, write_parquet
from pipeline_lib.shards import build, index
from pipeline_lib.shards.build import count_rows, split_of, triplets_of


def captions(count, refused=()):
    """A captions table as the captions stage writes it."""
    keys = [f"{number:09d}" for number in range(count)]
    return pd.DataFrame(
        {
            "key": keys,
            "caption": [f"a dog , and a cat {key}" for key in keys],
            "negated_caption": [None if n in refused else f"a dog , and no cat {key}" for n, key in enumerate(keys)],
            "exclusion_caption": "a dog",
            "object": "a cat",
            "negation_word": "no",
            "pairs": [[{"predicate": "and", "object": "a cat"}]] * count,
            "status": ["refused" if number in refused else "negated" for number in range(count)],
        }
    )


def test_the_split_depends_on_the_key_alone():
    keys = [f"{number:09d}" for number in range(4000)]
    splits = {key: split_of(key, 0.175, seed=0) for key in keys}
    assert 0.15 < sum(split == "eval" for split in splits.values()) / len(keys) < 0.20
    assert all(split_of(key, 0.175, seed=0) == splits[key] for key in reversed(keys))
    assert splits != {key: split_of(key, 0.175, seed=1) for key in keys}


def test_commas_are_removed_from_negated_captions_only():
    fetched = {"000000000"}
    removed = triplets_of(captions(1), fetched, 0.5, 0, "remove").iloc[0]
    assert removed["negated_caption"] == "a dog and no cat 000000000"
    assert removed["caption"] == "a dog , and a cat 000000000"
    assert triplets_of(captions(1), fetched, 0.5, 0, "keep")["negated_caption"][0] == "a dog , and no cat 000000000"


def test_every_row_is_counted_once_and_an_image_of_another_part_is_an_error():
    table = captions(10, refused=(2, 3, 7))
    fetched = {f"{number:09d}" for number in (0, 1, 2, 5)}
    found = count_rows(table, fetched, len(triplets_of(table, fetched, 0.5, 0, "remove")))
    expected = {"rows": 10, "samples": 3, "without_image": 4, "refused_caption": 1}
    assert found == {**expected, "without_image_and_refused_caption": 2}
    with pytest.raises(ValueError, match="1 images have no caption row, such as '000000099'"):
        count_rows(captions(3), {"000000001", "000000099"}, 1)


def build_part(folder, part, table):
    """Build the shards of a part of the captions; its images are in ``PART.tar``."""
    write_parquet(folder / f"captions-{part}.parquet", table)
    flags = {"images": folder / f"{part}.tar", "captions": folder / f"captions-{part}.parquet", "eval_share": 0.3}
    flags |= {"train": folder / f"train-{part}.tar", "eval": folder / f"eval-{part}.tar", "seed": 0}
    flags |= {"triplets": folder / f"triplets-{part}.parquet", "counts": folder / f"counts-{part}.json"}
    assert call(build.main, **flags, negated_commas="remove") is None


def gather(folder, triplets, counts, shards):
    """Join the parts whose names are given, and the shards; return the mistake that this ends with, or None."""
    flags = {"triplets": [folder / f"triplets-{part}.parquet" for part in triplets]}
    flags |= {"counts": [folder / f"counts-{part}.json" for part in counts]}
    flags |= {"shards": [folder / f"{shard}.tar" for shard in shards]}
    flags |= {"train": folder / "train.parquet", "eval": folder / "eval.parquet", "index": folder / "index.json"}
    return call(index.main, **flags)


def test_build_and_index(tmp_path):
    table, shards = captions(80, refused=(4, 41)), ["train-0", "train-1", "eval-0", "eval-1"]
    for part, first in (("0", 0), ("1", 40)):
        write_pool(tmp_path / f"{part}.tar", 30, first)
        build_part(tmp_path, part, table.iloc[first : first + 40])
    assert "key '000000040' occurs in more than one part" in gather(tmp_path, "011", "01", shards)
    assert "expected the 58 samples of the triplets, found" in gather(tmp_path, "01", "01", shards[:3])
    assert gather(tmp_path, "01", "01", shards) is None
    rows = read_json(tmp_path / "index.json")["rows"]
    assert rows["rows"] == 80
    assert rows["samples"] == rows["train"] + rows["eval"] == 58
    assert rows["eval_with_texts_seen_in_training"] == 0  # every text of this test holds its key
    for split in ("train", "eval"):
        table = read_parquet(tmp_path / f"{split}.parquet")
        samples = [sample for part in "01" for sample in read_samples(tmp_path / f"{split}-{part}.tar")]
        said = [json.loads(parts["json"]) for _, parts in samples]
        assert [row["key"] for row in said] == table["key"].tolist()
        assert [row["negated_caption"] for row in said] == table["negated_caption"].tolist()


def test_no_sample_at_all_is_an_error_with_what_became_of_the_rows(tmp_path):
    write_pool(tmp_path / "0.tar", 4)
    build_part(tmp_path, "0", captions(6, refused=range(6)))
    said = gather(tmp_path, "0", "0", ["train-0", "eval-0"])
    assert "the train split has no sample out of {'refused_caption': 4, 'rows': 6, 'samples': 0" in said
    assert not (tmp_path / "train.parquet").exists()
