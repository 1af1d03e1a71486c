"""A paper in a shoebox: all that the paper's run takes from outside, a few items each, where its configuration says.

Files have the real names and layouts; images are a few pixels wide, CLIPs have two layers. `pack` fills a folder and
writes what a configuration must say differently (`shoebox.yaml`).
"""

import json
import random
from itertools import product
from pathlib import Path

import layouts
import pandas as pd
import torch
import yaml
from conftest import ROOT, TINY
from PIL import Image

from pipeline_lib.backbones.pretrain import build
from pipeline_lib.clip.load import save_checkpoint
from pipeline_lib.evaluate.kinds import KINDS
from pipeline_lib.formats.crepe import captions_files
from pipeline_lib.formats.pixels import encoded
from pipeline_lib.formats.tars import write_samples

SUFFIX = "shoebox.test"
PHRASES = [
    "on a red sofa", "next to a tree", "with an umbrella", "in front of a house", "under a bridge", "holding a cup",
    "behind a fence", "on a boat", "near a lake", "with a hat", "in a garden", "riding a horse",
]  # fmt: skip
CAPTIONS = list(map(" ".join, product(("a dog", "an old man", "two children", "a black cat"), PHRASES)))
DEAD, MISLABELLED = 3, 7  # rows whose link is dead, or leads to a web page
SHEET = (
    "experiment\tfamily\tbackbone\tloss\tnegatives\tseeds\tbenchmarks\n"
    "conclip-b32\tCoN-CLIP\tvit-b32\tconclip\tccneg\t0,1\tall\n"
    "crepe-b32\tCoN-CLIP\tvit-b32\tl1\tcrepe\t0\tccneg,zeroshot,sugarcrepe\n"
)
VAL2017 = [f"{number + 1:012d}" for number in range(9)]


def picture(number: int, size: tuple[int, int] = (40, 36)) -> bytes:
    """A JPEG of noise, the same for the same number."""
    pixels = random.Random(number).randbytes(size[0] * size[1] * 3)
    return encoded(Image.frombytes("RGB", size, pixels), "JPEG")


def _write(path: Path, content: str | list | dict) -> None:
    layouts.write(path, (content if isinstance(content, str) else json.dumps(content)).encode())


def _cc3m(path: Path) -> None:
    """The Image-Labels file: five columns, no header, no quoting."""
    captions = [*CAPTIONS, 'a sign that says "no entry', "sunset"]
    links = [f"http://host-{number % 5}.{SUFFIX}/{number}.jpg" for number in range(len(captions))]
    rows = [f"{text}\t{link}\tdog,sofa\t/m/0bt9lr\t0.98,0.9\n" for text, link in zip(captions, links, strict=True)]
    _write(path, "".join(rows))


def _images(data: Path) -> None:
    """COCO's train2017.zip, val2017/ and train2014.zip, Visual Genome and Visual7W."""
    for split, count in (("train2017", 12), ("train2014", 3), ("val2017", len(VAL2017))):
        for number in range(count):
            prefix = "COCO_train2014_" if split == "train2014" else ""
            layouts.write(data / "coco" / split / f"{prefix}{number + 1:012d}.jpg", picture(number + 100 * count))
        if split != "val2017":
            layouts.zip_folder(data / "coco" / split)
    for number in range(4, 13):
        folder = data / "visual-genome" / ("VG_100K" if number % 2 else "VG_100K_2")
        layouts.write(folder / f"{number}.jpg", picture(number))
    for number in range(6):
        layouts.write(data / "visual7w" / "images" / f"v7w_{number}.jpg", picture(500 + number))


def _instances(path: Path) -> None:
    """What val2017's images show: a dog on every second one, a cat on the first, an orange on none."""
    images = [{"id": number, "file_name": f"{key}.jpg"} for number, key in enumerate(VAL2017, 1)]
    categories = [{"id": number, "name": name} for number, name in ((18, "dog"), (17, "cat"), (55, "orange"))]
    shown = [(image["id"], 18) for image in images[::2]] + [(1, 17)]
    annotations = [{"id": n, "image_id": image, "category_id": shows} for n, (image, shows) in enumerate(shown)]
    _write(path, {"images": images, "annotations": annotations, "categories": categories})


def _sugarcrepe(data: Path, rng: random.Random) -> None:
    """SugarCREPE and SugarCREPE++."""
    for kind in ("sugarcrepe", "sugarcrepe-plus"):
        for number, part in enumerate(KINDS[kind].parts):
            items = []
            for key in VAL2017[: 5 + number % 2]:
                caption, other, negative = rng.sample(CAPTIONS, 3)
                item = {"filename": f"{key}.jpg", "caption": caption, "negative_caption": negative}
                items.append(item if kind == "sugarcrepe" else {**item, "caption2": other})
            _write(data / kind / f"{part}.json", dict(enumerate(items)) if kind == "sugarcrepe" else items)


def _negbench(folder: Path, rng: random.Random) -> None:
    """NegBench's multiple choice on COCO and VOC, and its retrieval with and without negations."""
    folder.mkdir(parents=True)
    header = ["image_path", "correct_answer", *(f"caption_{place}" for place in range(4)), "correct_answer_template"]
    coco = [f"data/coco/images/val2017/{key}.jpg" for key in VAL2017]
    voc = [f"data/VOCdevkit/VOC2007/JPEGImages/{number + 1:06d}.jpg" for number in range(0, 50, 10)]
    for name, images in (("COCO_val_mcq", coco), ("VOC2007_mcq", voc)):
        rows = [[image, 0, *rng.sample(CAPTIONS, 4), "negative"] for image in images]
        pd.DataFrame(rows, columns=header).to_csv(folder / f"{name}_llama3.1_rephrased.csv", index=False)
    for name in ("COCO_val_retrieval", "COCO_val_negated_retrieval_llama3.1_rephrased_affneg_true"):
        rows = [[image, repr(rng.sample(CAPTIONS, 5))] for image in coco]
        pd.DataFrame(rows, columns=["filepath", "captions"]).to_csv(folder / f"{name}.csv", index=False)


def _other_benchmarks(data: Path, rng: random.Random) -> None:
    """VALSE's existence, NegRefCOCOg, CREPE-Negate."""
    existence = {}
    for number in range(6):
        caption, foil = rng.sample(CAPTIONS, 2)
        votes = 1 if number == 5 else 3  # too few: this item is not valid
        item = {"image_file": f"v7w_{number}.jpg", "caption": caption, "foil": foil, "mturk": {"caption": votes}}
        existence[f"existence_visual7w_{number}"] = item
    _write(data / "valse" / "existence.json", existence)
    boxes = [[0, 0, 20, 20], [10, 5, 25.5, 30]]
    images = [f"COCO_train2014_{number + 1:012d}.jpg" for number in range(3)]
    items = [{"image": image, "phrase": "no dog", "ref_bbox": boxes[0], "bbox_list": boxes} for image in images]
    _write(data / "negrefcocog" / "NegRefCOCOg.json", items)
    for number, path in enumerate(captions_files(str(data / "crepe" / "prod_hard_negatives" / "negate")), 4):
        region = f"{number},2,3,10,8,a dog on a sofa,\"['no dog on a sofa', 'a dog']\"\n"
        _write(Path(path), f"image_id,x,y,width,height,caption,hard_negs\n{region}")


def _zeroshot(data: Path) -> None:
    """The eight sets for classification, and VOC's images."""
    layouts.imagenet_flat(data / "imagenet")
    layouts.voc2007(data / "voc2007", 5)
    zeroshot = data / "zeroshot"
    for classes in (10, 100):
        layouts.cifar(zeroshot, classes)
    for write in (layouts.caltech_101, layouts.stanford_cars, layouts.food_101, layouts.oxford_pets):
        write(zeroshot)
    # The flowers' lists of labels are known by their MD5, and no others are taken: their images come as a tar.
    labels = [json.dumps({"label": 12 * label}).encode() for label in range(8)]
    samples = ((f"{n:05d}", {"jpg": picture(n), "json": label}) for n, label in enumerate(labels))
    write_samples(zeroshot / "flowers-102.tar", samples)
    # Of ImageNet's 80 templates the first three: 80,000 prompts would take longer than all the rest.
    templates = (ROOT / "config" / "templates" / "imagenet-1k.txt").read_text().splitlines()[:3]
    _write(data / "templates.txt", "\n".join(templates))


def _checkpoints(folder: Path) -> None:
    """Three CLIPs, one of them as Neg-CLIP's training stores it."""
    folder.mkdir(parents=True)
    for seed, name in enumerate(("vit-b32", "vit-b16", "negclip-b32")):
        torch.manual_seed(seed)
        model = build(TINY)
        if name == "negclip-b32":
            state_dict = {f"module.{key}": value for key, value in model.state_dict().items()}
            torch.save({"state_dict": state_dict}, folder / f"{name}.pt")
        else:
            save_checkpoint(folder / f"{name}.pt", model)


def pack(root: Path, port: int) -> None:
    """Fill `root`/data, in a copy of this repository, and write `root`/shoebox.yaml; the links lead to a local port."""
    data, rng = root / "data", random.Random(0)
    paper = yaml.safe_load((ROOT / "config" / "paper.yaml").read_text())
    changes = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
    _cc3m(root / paper["fetch"]["captions"])
    _images(data)
    _instances(data / "coco" / "annotations" / "instances_val2017.json")
    _sugarcrepe(data, rng)
    _negbench(data / "negbench" / "images", rng)
    _other_benchmarks(data, rng)
    _zeroshot(data)
    _checkpoints(data / "checkpoints")
    _write(data / "experiments.tsv", SHEET)

    counts, items = changes.pop("counts"), changes.pop("items")
    pools = {name: {"count": counts[name]} for name, pool in paper["features"]["pools"].items() if pool}
    pools["flowers-102"] |= {"reader": "tar", "images": "data/zeroshot/flowers-102.tar"}
    changes["fetch"]["connect_to"] = {SUFFIX: f"127.0.0.1:{port}"}
    changes["features"]["pools"] = pools
    changes["evaluate"] = {
        "zeroshot": {"datasets": {"imagenet-1k": {"templates": "data/templates.txt"}}},
        "benchmarks": {
            name: {"count": items[name]} if name in items else None for name in paper["evaluate"]["benchmarks"]
        },
    }
    _write(root / "shoebox.yaml", yaml.safe_dump(changes))
