"""Every door through which a file of others comes in: how to make a small valid one, and what reads it.

A door's reader must take whatever lies there, or refuse it with a `ValueError` or `FileNotFoundError` that names the
place, which `pipeline_lib.jobs.cli.run` shows in one line.
"""

import argparse
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import layouts
import pandas as pd
import torch
import yaml
from conftest import ROOT, TINY, jpeg_bytes, write_pool
from PIL import Image
from safetensors.torch import save_file

from pipeline_lib.backbones.formats import read_weights
from pipeline_lib.backbones.pretrain import build
from pipeline_lib.captions.chat import answers as chat_answers
from pipeline_lib.captions.chat.cache import open_cache
from pipeline_lib.captions.rules.backend import load_tagger
from pipeline_lib.clip.load import build_clip, load_clip, save_checkpoint
from pipeline_lib.config.checks import check_config, read_experiments
from pipeline_lib.distractors.released import read_mapping
from pipeline_lib.evaluate import mcq, prompts, result, retrieval, sugarcrepe, sugarcrepe_plus, valse
from pipeline_lib.features.store import Features, load_features, save_features
from pipeline_lib.fetch import Failed, outcomes
from pipeline_lib.fetch import images as fetched_images
from pipeline_lib.finetune.terms import LOSSES
from pipeline_lib.formats.annotations import coco_image_keys
from pipeline_lib.formats.cc3m import Part, Row
from pipeline_lib.jobs.files import read_parquet, write_json, write_parquet
from pipeline_lib.paper.tables.published import read_published
from pipeline_lib.preflight.findings import inspect
from pipeline_lib.preflight.registry import read_registry
from pipeline_lib.readers.crops import read_boxes
from pipeline_lib.readers.pool import read_pool
from pipeline_lib.readers.reader import find_reader
from pipeline_lib.shards.crepe import triplets_of
from pipeline_lib.shards.release import read_release

TAGGER = cache(load_tagger)
CAPTION = "a dog on a red sofa next to a lamp"


class Door(NamedTuple):
    """A place where files of others are read.

    Attributes
    ----------
    make : callable
        Writes valid files into a folder and returns those that may be replaced.
    read : callable
        Reads what lies in the folder.
    refusals : tuple of type
        What may be raised beside `ValueError` and `FileNotFoundError`: answers and images are refused one by one.
    """

    make: Callable[[Path], list[Path]]
    read: Callable[[Path], object]
    refusals: tuple[type, ...] = ()


def _pool(reader: str, *names: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        for sample in read_pool(find_reader(reader), [str(folder / name) for name in names]):
            sample.decode(sample.read())

    return read


def _written(name: str, content: bytes | str) -> Callable[[Path], list[Path]]:
    def make(folder: Path) -> list[Path]:
        layouts.write(folder / name, content.encode() if isinstance(content, str) else content)
        return [folder / name]

    return make


def _tar(folder: Path) -> list[Path]:
    write_pool(folder / "a.tar", 3, label=1)
    return [folder / "a.tar"]


def _zip(folder: Path) -> list[Path]:
    with zipfile.ZipFile(folder / "val2017.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"val2017/{number:012d}.jpg", layouts.picture(number))
    return [folder / "val2017.zip"]


def _images(folder: Path) -> list[Path]:
    layouts.write(folder / "images" / "a.jpg", jpeg_bytes())
    for number, form in enumerate(("PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF")):
        content = io.BytesIO()
        Image.new("RGBA", (9, 7), (1, 2, 3, 4)).save(content, form)
        layouts.write(folder / "images" / f"{number}.{form.lower()}", content.getvalue())
    return sorted((folder / "images").iterdir())


def _voc(folder: Path) -> list[Path]:
    layouts.voc2007(folder / "unpacked")
    layouts.tar_files(folder / "VOCtest_06-Nov-2007.tar", folder / "unpacked")
    return [folder / "VOCtest_06-Nov-2007.tar"]


def _imagenet(folder: Path) -> list[Path]:
    layouts.imagenet_flat(folder)
    kit = folder / "ILSVRC2012_devkit_t12"
    return [kit / "data" / "meta.mat", kit / "data" / "ILSVRC2012_validation_ground_truth.txt"]


def _imagenet_kit(folder: Path) -> list[Path]:
    _imagenet(folder)
    (folder / "kit").mkdir()
    (folder / "ILSVRC2012_devkit_t12").rename(folder / "kit" / "ILSVRC2012_devkit_t12")
    layouts.tar_files(folder / "ILSVRC2012_devkit_t12.tar.gz", folder / "kit", "w:gz")
    return [folder / "ILSVRC2012_devkit_t12.tar.gz"]


def _cifar(classes: int, packed: bool) -> Callable[[Path], list[Path]]:
    def make(folder: Path) -> list[Path]:
        layouts.cifar(folder / "unpacked" if packed else folder, classes, count=2)
        if packed:
            layouts.tar_files(folder / f"cifar-{classes}-python.tar.gz", folder / "unpacked", "w:gz")
            return [folder / f"cifar-{classes}-python.tar.gz"]
        return [path for path in folder.rglob("test*") if path.is_file()]

    return make


def _set(name: str, *files: str) -> Callable[[Path], list[Path]]:
    def make(folder: Path) -> list[Path]:
        getattr(layouts, name)(folder)
        return [folder / file for file in files]

    return make


def _crepe(folder: Path) -> list[Path]:
    header = "image_id,x,y,width,height,caption,hard_negs"
    for number in range(4, 13):
        rows = f"{header}\n7,1,2,8,9,{CAPTION},\"['no dog on a sofa', 'a dog']\"\n"
        layouts.write(folder / "negate" / f"prod_vg_hard_negs_negate_complexity_{number}.csv", rows.encode())
    layouts.write(folder / "vg" / "7.jpg", jpeg_bytes())
    return [folder / "negate" / "prod_vg_hard_negs_negate_complexity_7.csv"]


def _read_crepe(folder: Path) -> None:
    triplets_of(folder / "negate")
    _pool("crepe", "negate", "vg")(folder)


def _crops(folder: Path) -> list[Path]:
    item = {
        "image": "7.jpg",
        "phrase": "not a dog",
        "ref_bbox": [1, 2, 8.5, 9],
        "bbox_list": [[1, 2, 8.5, 9], [0, 0, 3, 3]],
    }
    write_json(folder / "boxes.json", [item, item])
    layouts.write(folder / "train2014" / "7.jpg", jpeg_bytes())
    return [folder / "boxes.json", folder / "train2014" / "7.jpg"]


def _read_crops(folder: Path) -> None:
    read_boxes(folder / "boxes.json")
    _pool("crops", "boxes.json", "train2014")(folder)


MCQ = "correct_answer,caption_0,caption_1,caption_2,caption_3,correct_answer_template,image_path\n"
MCQ += '0,"a dog, not a cat",b,c,d,negative,images/000000000007.jpg\n' * 2
RETRIEVAL = "filepath,captions\na/1.jpg,\"['a, b', 'c']\"\n2.jpg,['d']\n"
VALSE = {"e1": {"image_file": "v7w_1.jpg", "caption": "a dog", "foil": "no dog", "mturk": {"caption": 3}}}
SUGARCREPE = {"0": {"filename": "000000000007.jpg", "caption": "a", "negative_caption": "b"}}
PLUS = [{"filename": "000000000007.jpg", "caption": "a", "caption2": "b", "negative_caption": "c"}]
COCO = {"images": [{"id": number, "file_name": f"{number:012d}.jpg"} for number in (9, 25)], "annotations": []}
PAIRS = {"subject": "a dog", "pairs": [{"predicate": "on", "object": "a red sofa"}]}
NEGATED = {
    "negated_caption": "a dog that is not on a red sofa next to a lamp",
    "exclusion_caption": "a dog next to a lamp",
    "object": "a red sofa",
}
OUTCOME = outcomes.Outcome("ok", None, False, 200, 1, 9, "h.test", "0" * 64, 5, 1, 1, 1, 1)


def _parts(parts: tuple[str, ...], content: object) -> Callable[[Path], list[Path]]:
    def make(folder: Path) -> list[Path]:
        for part in parts:
            write_json(folder / f"{part}.json", content)
        return [folder / f"{parts[1]}.json"]

    return make


def _tiny() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    state_dict = {name: value.clone() for name, value in build(TINY).state_dict().items()}
    return {**state_dict, "token_embedding.weight": state_dict["token_embedding.weight"][:9].clone()}


def _small() -> dict[str, torch.Tensor]:
    """Weights that are none of a CLIP, so that mutations fall on what surrounds the numbers."""
    return {"logit_scale": torch.tensor(1.0), "ln_final.weight": torch.ones(4), "visual.proj": torch.ones(2, 3)}


def _checkpoint(legacy: bool) -> Callable[[Path], list[Path]]:
    def make(folder: Path) -> list[Path]:
        content = {"model": _small(), "args": argparse.Namespace(lr=1e-6)}
        torch.save(content, folder / "a.pt", _use_new_zipfile_serialization=not legacy)
        return [folder / "a.pt"]

    return make


def _own_checkpoint(folder: Path) -> list[Path]:
    save_checkpoint(folder / "model.pt", build_clip(_tiny()))
    return [folder / "model.pt"]


def _huggingface(folder: Path) -> list[Path]:
    from pipeline_lib.backbones.huggingface import config_of, to_huggingface

    state_dict = _tiny()
    (folder / "m").mkdir()
    write_json(folder / "m" / "config.json", config_of(state_dict, "quickgelu"))
    write_json(folder / "m" / "preprocessor_config.json", {"image_mean": [0.48145466, 0.4578275, 0.40821073]})
    save_file(to_huggingface(state_dict), folder / "m" / "model.safetensors")
    return sorted((folder / "m").iterdir())


def _open_clip(folder: Path) -> list[Path]:
    config = {"model_cfg": {"quick_gelu": True, "text_cfg": {"width": 64, "heads": 1}, "vision_cfg": {}}}
    (folder / "m").mkdir()
    write_json(folder / "m" / "open_clip_config.json", {**config, "preprocess_cfg": {"std": None}})
    save_file(_small(), folder / "m" / "open_clip_model.safetensors")
    return sorted((folder / "m").iterdir())


def _release(folder: Path) -> list[Path]:
    from test_release import annotation, key

    content = {
        "image_paths": [f"/d/{key(index)}.jpg" for index in range(3)],
        "annotations": [annotation(index) for index in range(3)],
    }
    torch.save(content, folder / "ccneg_preprocessed.pt", _use_new_zipfile_serialization=False)
    return [folder / "ccneg_preprocessed.pt"]


def _mapping(folder: Path) -> list[Path]:
    torch.save([[1, 2, 3], [0, 1, 2]], folder / "mapping.pt")
    return [folder / "mapping.pt"]


def _features(folder: Path) -> list[Path]:
    eye = torch.eye(2)
    save_features(folder / "a.safetensors", Features(["a", "b"], eye, torch.tensor([0, 1]), "tower"))
    return [folder / "a.safetensors"]


def _parquet(folder: Path) -> list[Path]:
    frame = pd.DataFrame({"key": ["a", "b"], "release_index": [0, 1], "caption": ["ä", None], "score": [0.5, 1.5]})
    write_parquet(folder / "a.parquet", frame)
    return [folder / "a.parquet"]


def _outcomes(folder: Path) -> list[Path]:
    row = Row("000000000", CAPTION, "http://h.test/1", None)
    outcomes.write_outcomes(folder / "a.parquet", "id", [(row, OUTCOME)])
    return [folder / "a.parquet"]


def _journal(folder: Path) -> list[Path]:
    with outcomes.Journal(folder / "a.journal", "id", 2) as settled:
        settled.add(0, OUTCOME, b"image")
    return [folder / "a.journal"]


def _read_journal(folder: Path) -> None:
    with outcomes.Journal(folder / "a.journal", "id", 2) as settled:
        for row in range(2):
            if row in settled:
                settled.read(row)


def _cache(folder: Path) -> list[Path]:
    with open_cache(folder / "cache.sqlite") as cache:
        cache.put({"a": 1}, "answer")
    return [folder / "cache.sqlite"]


def _read_cache(folder: Path) -> None:
    with open_cache(folder / "cache.sqlite") as cache:
        cache.get({"a": 1})
        cache.put({"a": 2}, "other")


def _answer(folder: Path) -> str:
    return (folder / "answer.json").read_bytes().decode(errors="replace")


def _read_pairs(folder: Path) -> None:
    tagger = TAGGER("lexicon")
    chat_answers.read_pairs(_answer(folder), tagger(CAPTION), tagger)


def _read_sentences(folder: Path) -> None:
    tagger = TAGGER("lexicon")
    doc = tagger(CAPTION)
    found = chat_answers.read_pairs(json.dumps(PAIRS), doc, tagger)
    chat_answers.read_sentences(_answer(folder), doc, found, 0, tagger)


def _read_config(folder: Path) -> None:
    content = (folder / "config.yaml").read_bytes()
    if len(content) > 300_000:  # the engine's loader, in Python, takes minutes for what has no place here
        return
    try:
        config = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError):  # the engine's own message
        return
    if isinstance(config, dict):
        check_config(config, ROOT / "workflow/schemas/config.schema.yaml")


def _read_sheet(folder: Path) -> None:
    read_experiments(
        folder / "experiments.tsv",
        ROOT / "workflow/schemas/experiments.schema.yaml",
        ["mini-rn", "mini-slim"],
        list(LOSSES),
    )


def _read_fetched(folder: Path) -> None:
    for path in (folder / "images").iterdir():
        for size in (None, 16):
            fetched_images.prepare(path.read_bytes(), size, 1_000_000)


def _read_rows(name: str) -> Callable[[Path], None]:
    return lambda folder: list(Part(folder / name, 0, 2))


def _config_file(name: str) -> Callable[[Path], list[Path]]:
    return _written(name, (ROOT / "config" / name).read_bytes())


def _inspect(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        inspect(path)


ROWS = f"{CAPTION}\thttp://h.test/1\nx\thttp://h.test/2\tlabel\t/m/1\t0.9\n"
DOORS = {
    "tar": Door(_tar, _pool("tar", "a.tar")),
    "zip": Door(_zip, _pool("coco", "val2017.zip")),
    "images": Door(_images, _pool("folder", "images")),
    "images-fetched": Door(_images, _read_fetched, (Failed,)),
    "voc2007": Door(_voc, _pool("voc2007", "")),
    "imagenet": Door(_imagenet, _pool("imagenet", "")),
    "imagenet-kit": Door(_imagenet_kit, _pool("imagenet", "")),
    "cifar-10": Door(_cifar(10, False), _pool("cifar-10", "")),
    "cifar-100-packed": Door(_cifar(100, True), _pool("cifar-100", "")),
    "stanford-cars": Door(
        _set("stanford_cars", "stanford_cars/cars_test_annos_withlabels.mat", "stanford_cars/devkit/cars_meta.mat"),
        _pool("stanford-cars", ""),
    ),
    "food-101": Door(_set("food_101", "food-101/meta/test.json"), _pool("food-101", "")),
    "oxford-pets": Door(_set("oxford_pets", "oxford-iiit-pet/annotations/test.txt"), _pool("oxford-pets", "")),
    "crepe": Door(_crepe, _read_crepe),
    "crops": Door(_crops, _read_crops),
    "mcq": Door(_written("a.csv", MCQ), lambda folder: mcq.read_mcq(folder / "a.csv")),
    "retrieval": Door(_written("a.csv", RETRIEVAL), lambda folder: retrieval.read_retrieval(folder / "a.csv")),
    "valse": Door(_written("a.json", json.dumps(VALSE)), lambda folder: valse.read_valse(folder / "a.json")),
    "sugarcrepe": Door(_parts(sugarcrepe.KINDS["sugarcrepe"], SUGARCREPE), sugarcrepe.read_sugarcrepe),
    "sugarcrepe-plus": Door(_parts(sugarcrepe_plus.PARTS, PLUS), sugarcrepe_plus.read_sugarcrepe_plus),
    "coco-captions": Door(_written("a.json", json.dumps(COCO)), lambda folder: coco_image_keys(folder / "a.json")),
    "cc3m": Door(_written("a.tsv", ROWS), _read_rows("a.tsv")),
    "cc3m-gzip": Door(_written("a.tsv.gz", gzip.compress(ROWS.encode(), mtime=0)), _read_rows("a.tsv.gz")),
    "classes": Door(_written("a.txt", "dog\ncat\n"), lambda folder: prompts.read_classes(folder / "a.txt")),
    "checkpoint": Door(_checkpoint(False), lambda folder: read_weights(folder / "a.pt")),
    "checkpoint-legacy": Door(_checkpoint(True), lambda folder: read_weights(folder / "a.pt")),
    "checkpoint-own": Door(_own_checkpoint, lambda folder: load_clip(folder / "model.pt")),
    "huggingface": Door(_huggingface, lambda folder: read_weights(folder / "m")),
    "open-clip": Door(_open_clip, lambda folder: read_weights(folder / "m")),
    "release": Door(_release, lambda folder: read_release(folder / "ccneg_preprocessed.pt", 3, 1, "remove")),
    "mapping": Door(_mapping, lambda folder: read_mapping(folder / "mapping.pt", (2,), 9)),
    "features": Door(_features, lambda folder: load_features([folder / "a.safetensors"], "tower")),
    "parquet": Door(_parquet, lambda folder: read_parquet(folder / "a.parquet", ["key", "release_index"])),
    "outcomes": Door(_outcomes, lambda folder: list(outcomes.read_outcomes(folder / "a.parquet")[1])),
    "journal": Door(_journal, _read_journal),
    "chat-cache": Door(_cache, _read_cache),
    "chat-pairs": Door(_written("answer.json", json.dumps(PAIRS)), _read_pairs, (chat_answers.Unusable,)),
    "chat-sentences": Door(_written("answer.json", json.dumps(NEGATED)), _read_sentences, (chat_answers.Unusable,)),
    "config": Door(_config_file("config.yaml"), _read_config),
    "experiments": Door(_config_file("experiments.tsv"), _read_sheet),
    "registry": Door(_config_file("datasets.tsv"), lambda folder: read_registry(folder / "datasets.tsv")),
    "published": Door(_config_file("published.tsv"), lambda folder: read_published(folder / "published.tsv")),
    "record": Door(
        _written("run.json", json.dumps(dict.fromkeys(("model", "family", "backbone", "loss", "negatives", "seed")))),
        lambda folder: result.read_model(folder / "run.json"),
    ),
    "preflight-zip": Door(_zip, _inspect),
    "preflight-features": Door(_features, _inspect),
    "preflight-csv": Door(_written("a.csv", MCQ), _inspect),
    "preflight-json": Door(_written("a.json", json.dumps(COCO)), _inspect),
}
