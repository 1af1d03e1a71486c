"""Every kind of input that other people make: how to write a small valid one, and the function that reads it.

A reader takes whatever lies there or refuses it with a `ValueError` or `FileNotFoundError` that names the place, which
`pipeline_lib.jobs.cli.run` shows in one line.
"""

import argparse
import gzip
import json
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import pandas as pd
import torch
import yaml
from conftest import ROOT, TINY
from released import annotation, key
from safetensors.torch import save_file

from fuzz.pools import PHOTOS, POOLS, Input, at, files
from pipeline_lib.backbones.export import huggingface_config, to_huggingface
from pipeline_lib.backbones.formats import read_weights
from pipeline_lib.backbones.pretrain import build
from pipeline_lib.captions.chat import answers as chat_answers
from pipeline_lib.captions.chat.client import open_cache
from pipeline_lib.captions.rules.backend import load_tagger
from pipeline_lib.captions.rules.relations import parse
from pipeline_lib.clip.load import build_clip, load_clip, save_checkpoint
from pipeline_lib.config.checks import check_config, read_experiments
from pipeline_lib.distractors.released import read_mapping
from pipeline_lib.evaluate import prompts, result
from pipeline_lib.evaluate.kinds import KINDS, read_annotations
from pipeline_lib.features.store import Features, load_features, save_features
from pipeline_lib.fetch import outcomes
from pipeline_lib.formats.annotations import coco_image_keys
from pipeline_lib.formats.cc3m import Part, Row
from pipeline_lib.jobs.files import read_parquet, write_json, write_parquet
from pipeline_lib.paper.tables.published import read_published
from pipeline_lib.preflight.findings import inspect
from pipeline_lib.preflight.registry import read_registry
from pipeline_lib.shards.release import read_release

TAGGER = cache(load_tagger)


def small_weights() -> dict[str, torch.Tensor]:
    """Weights of no whole CLIP: mutations fall on what surrounds the numbers."""
    return {"logit_scale": torch.tensor(1.0), "ln_final.weight": torch.ones(4), "visual.proj": torch.ones(2, 3)}


def tiny_weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    weights = {name: value.clone() for name, value in build(TINY).state_dict().items()}
    return {**weights, "token_embedding.weight": weights["token_embedding.weight"][:9].clone()}


def write_checkpoint(folder: Path, legacy: bool = False) -> None:
    content = {"model": small_weights(), "args": argparse.Namespace(lr=1e-6)}
    torch.save(content, folder / "a.pt", _use_new_zipfile_serialization=not legacy)


def write_own_checkpoint(folder: Path) -> None:
    save_checkpoint(folder / "model.pt", build_clip(tiny_weights()))


def write_huggingface(folder: Path) -> None:
    weights = tiny_weights()
    write_json(folder / "m" / "config.json", huggingface_config(build_clip(weights)))
    write_json(folder / "m" / "preprocessor_config.json", {"image_mean": [0.48145466, 0.4578275, 0.40821073]})
    save_file(to_huggingface(weights), folder / "m" / "model.safetensors")


def write_open_clip(folder: Path) -> None:
    config = {"model_cfg": {"quick_gelu": True, "text_cfg": {"width": 64, "heads": 1}, "vision_cfg": {}}}
    write_json(folder / "m" / "open_clip_config.json", {**config, "preprocess_cfg": {"std": None}})
    save_file(small_weights(), folder / "m" / "open_clip_model.safetensors")


def write_release(folder: Path) -> None:
    paths = [f"/d/{key(index)}.jpg" for index in range(3)]
    content = {"image_paths": paths, "annotations": [annotation(index) for index in range(3)]}
    torch.save(content, folder / "ccneg_preprocessed.pt", _use_new_zipfile_serialization=False)


def write_mapping(folder: Path) -> None:
    torch.save([[1, 2, 3], [0, 1, 2]], folder / "mapping.pt")


def write_features(folder: Path) -> None:
    features = Features(["a", "b"], torch.eye(2), torch.tensor([0, 1]), "tower")
    save_features(folder / "a.safetensors", features)


def write_table(folder: Path) -> None:
    frame = pd.DataFrame({"key": ["a", "b"], "release_index": [0, 1], "caption": ["ä", None], "score": [0.5, 1.5]})
    write_parquet(folder / "a.parquet", frame)


OUTCOME = outcomes.Outcome("ok", None, False, 200, 1, 9, "h.test", "0" * 64, 5, 1, 1, 1, 1)


def write_outcomes(folder: Path) -> None:
    row = Row("000000000", CAPTION, "http://h.test/1", None)
    outcomes.write_outcomes(folder / "a.parquet", "id", [(row, OUTCOME)])


def write_journal(folder: Path) -> None:
    with outcomes.Journal(folder / "a.journal", "id", 2) as settled:
        settled.add(0, OUTCOME, b"image")


def read_journal(folder: Path) -> None:
    with outcomes.Journal(folder / "a.journal", "id", 2) as settled:
        for row in range(2):
            if row in settled:
                settled.read(row)


def write_cache(folder: Path) -> None:
    with open_cache(folder / "cache.sqlite") as answers:
        answers.put({"a": 1}, "answer")


def read_cache(folder: Path) -> None:
    with open_cache(folder / "cache.sqlite") as answers:
        answers.get({"a": 1})
        answers.put({"a": 2}, "other")


def read_pairs(path: Path) -> None:
    answer, tagger = path.read_bytes().decode(errors="replace"), TAGGER("lexicon")
    chat_answers.read_pairs(answer, parse(tagger(CAPTION)), tagger)


def read_sentences(path: Path) -> None:
    answer, tagger = path.read_bytes().decode(errors="replace"), TAGGER("lexicon")
    caption = parse(tagger(CAPTION))
    chat_answers.read_sentences(answer, caption, chat_answers.read_pairs(PAIRS, caption, tagger), 0, tagger)


def read_config(path: Path) -> None:
    content = path.read_bytes()
    if len(content) > 300_000:  # the engine's own loader, which is Python, takes minutes
        return
    try:
        config = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError):  # the engine's own message
        return
    if isinstance(config, dict):
        check_config(config)


def read_sheet(path: Path) -> None:
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    config["finetune"]["experiments"] = str(path)
    read_experiments(config)


def read_captions(path: Path) -> None:
    list(Part(path, 0, 2))


def inspect_all(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        inspect(path)


CAPTION = "a dog on a red sofa next to a lamp"
ROWS = f"{CAPTION}\thttp://h.test/1\nx\thttp://h.test/2\tlabel\t/m/1\t0.9\n"
MCQ = "correct_answer,caption_0,caption_1,caption_2,caption_3,correct_answer_template,image_path\n"
MCQ += '0,"a dog, not a cat",b,c,d,negative,images/000000000007.jpg\n' * 2
RETRIEVAL = "filepath,captions\na/1.jpg,\"['a, b', 'c']\"\n2.jpg,['d']\n"
VALSE = {"e1": {"image_file": "v7w_1.jpg", "caption": "a dog", "foil": "no dog", "mturk": {"caption": 3}}}
SUGARCREPE = {"filename": "000000000007.jpg", "caption": "a", "negative_caption": "b"}
PLUS = {**SUGARCREPE, "caption2": "c"}
# 30 images of a dog and a cat, 30 of a dog, 540 of neither.
SHOWN = [(number, category) for category, count in ((1, 60), (2, 30)) for number in range(count)]
INSTANCES = json.dumps({
    "images": [{"id": number, "file_name": f"{number:012d}.jpg"} for number in range(600)],
    "annotations": [{"image_id": number, "category_id": category} for number, category in SHOWN],
    "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}],
})  # fmt: skip
COCO = {"images": [{"id": number, "file_name": f"{number:012d}.jpg"} for number in (9, 25)], "annotations": []}
PAIRS = json.dumps({"subject": "a dog", "pairs": [{"predicate": "on", "object": "a red sofa"}]})
NEGATED = {"negated_caption": "a dog that is not on a red sofa next to a lamp", "object": "a red sofa"}
NEGATED = json.dumps(NEGATED | {"exclusion_caption": "a dog next to a lamp"})
RECORD = json.dumps(dict.fromkeys(("model", "family", "backbone", "loss", "negatives", "seed")))


def shipped(name: str, read: Callable[[Path], object]) -> Input:
    """Return the kind of a file of config/."""
    return Input(files({name: (ROOT / "config" / name).read_bytes()}), at(name, read))


INPUTS = {
    **POOLS,
    "mcq": Input(files({"a.csv": MCQ}), at("a.csv", partial(read_annotations, "mcq"))),
    "retrieval": Input(files({"a.csv": RETRIEVAL}), at("a.csv", partial(read_annotations, "retrieval"))),
    "valse": Input(files({"a.json": json.dumps(VALSE)}), at("a.json", partial(read_annotations, "valse"))),
    "sugarcrepe": Input(
        files({f"{part}.json": json.dumps({"0": SUGARCREPE}) for part in KINDS["sugarcrepe"].parts}),
        partial(read_annotations, "sugarcrepe"),
        "replace_att.json",
    ),
    "sugarcrepe-plus": Input(
        files({f"{part}.json": json.dumps([PLUS]) for part in KINDS["sugarcrepe-plus"].parts}),
        partial(read_annotations, "sugarcrepe-plus"),
        "replace_att.json",
    ),
    "truth-table": Input(files({"a.json": INSTANCES}), at("a.json", partial(read_annotations, "truth-table"))),
    "negated-retrieval": Input(
        files({"a.json": INSTANCES}), at("a.json", partial(read_annotations, "negated-retrieval"))
    ),
    "coco-captions": Input(files({"a.json": json.dumps(COCO)}), at("a.json", coco_image_keys)),
    "cc3m": Input(files({"a.tsv": ROWS}), at("a.tsv", read_captions)),
    "cc3m-gzip": Input(files({"a.tsv.gz": gzip.compress(ROWS.encode(), mtime=0)}), at("a.tsv.gz", read_captions)),
    "classes": Input(files({"a.txt": "dog\ncat\n"}), at("a.txt", prompts.read_classes)),
    "checkpoint": Input(write_checkpoint, at("a.pt", read_weights)),
    "checkpoint-legacy": Input(lambda folder: write_checkpoint(folder, legacy=True), at("a.pt", read_weights)),
    "checkpoint-own": Input(write_own_checkpoint, at("model.pt", load_clip)),
    "huggingface": Input(write_huggingface, at("m", read_weights)),
    "open-clip": Input(write_open_clip, at("m", read_weights)),
    "release": Input(
        write_release, lambda folder: read_release(folder / "ccneg_preprocessed.pt", 3, 1, "remove", "chosen")
    ),
    "mapping": Input(write_mapping, lambda folder: read_mapping(folder / "mapping.pt", (2,), 9)),
    "features": Input(write_features, lambda folder: load_features([folder / "a.safetensors"], "tower")),
    "parquet": Input(write_table, lambda folder: read_parquet(folder / "a.parquet", ["key", "release_index"])),
    "outcomes": Input(write_outcomes, lambda folder: list(outcomes.read_outcomes(folder / "a.parquet")[1])),
    "journal": Input(write_journal, read_journal),
    "chat-cache": Input(write_cache, read_cache),
    "chat-pairs": Input(files({"a.json": PAIRS}), at("a.json", read_pairs), refusals=(chat_answers.Unusable,)),
    "chat-sentences": Input(
        files({"a.json": NEGATED}), at("a.json", read_sentences), refusals=(chat_answers.Unusable,)
    ),
    "config": shipped("config.yaml", read_config),
    "experiments": shipped("experiments.tsv", read_sheet),
    "registry": shipped("datasets.tsv", read_registry),
    "published": shipped("published.tsv", read_published),
    "record": Input(files({"run.json": RECORD}), at("run.json", result.read_model)),
    "preflight-zip": Input(PHOTOS, inspect_all),
    "preflight-features": Input(write_features, inspect_all),
    "preflight-csv": Input(files({"a.csv": MCQ}), inspect_all),
    "preflight-json": Input(files({"a.json": json.dumps(COCO)}), inspect_all),
}
