"""A paper in a shoebox: all that the paper's run takes from outside, a few items each, where its configuration says.

Files have the real names and layouts; images are a few pixels wide, CLIPs have two layers. `pack` fills a folder and
returns what a configuration must say differently: the numbers of items, sizes fit for a CPU, and where the links lead.
"""

import io
import json
import random
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
from pipeline_lib.formats.tars import write_samples

SUFFIX = "shoebox.test"
CAPTIONS = [
    f"{subject} {relation} {thing}"
    for subject in ("a dog", "an old man", "two children", "a black cat")
    for relation, thing in (
        ("on", "a red sofa"), ("next to", "a tree"), ("with", "an umbrella"), ("in front of", "a house"),
        ("under", "a bridge"), ("holding", "a cup"), ("behind", "a fence"), ("on", "a boat"),
        ("near", "a lake"), ("with", "a hat"), ("in", "a garden"), ("riding", "a horse"),
    )
]  # fmt: skip
DEAD, MISLABELLED = 3, 7  # rows whose link is dead, or leads to a web page


def picture(number: int, size: tuple[int, int] = (40, 36)) -> bytes:
    """A JPEG of noise, the same for the same number."""
    content = io.BytesIO()
    pixels = random.Random(number).randbytes(size[0] * size[1] * 3)
    Image.frombytes("RGB", size, pixels).save(content, "JPEG")
    return content.getvalue()


def _cc3m(path: Path) -> None:
    """The Image-Labels file: five columns, no header, no quoting."""
    rows = [
        f"{caption}\thttp://host-{number % 5}.{SUFFIX}/{number}.jpg\tdog,sofa\t/m/0bt9lr\t0.98,0.9\n"
        for number, caption in enumerate([*CAPTIONS, 'a sign that says "no entry', "sunset"])
    ]
    layouts.write(path, "".join(rows).encode())


def _coco(root: Path) -> list[str]:
    """train2017.zip, val2017/ and train2014.zip; return the keys of val2017."""
    for split, count in (("train2017", 12), ("train2014", 3), ("val2017", 9)):
        for number in range(count):
            prefix = "COCO_train2014_" if split == "train2014" else ""
            layouts.write(root / split / f"{prefix}{number + 1:012d}.jpg", picture(number + 100 * count))
        if split != "val2017":
            layouts.zip_folder(root / split)
    return [f"{number + 1:012d}" for number in range(9)]


def _annotations(data: Path, keys: list[str]) -> dict[str, int | dict[str, int]]:
    """SugarCREPE and the later benchmarks, on the images `keys` of val2017; return how many items each has."""
    rng, counts = random.Random(0), {}
    for kind, folder in (("sugarcrepe", "sugarcrepe"), ("sugarcrepe-plus", "sugarcrepe-plus")):
        for number, part in enumerate(KINDS[kind]):
            items = []
            for key in keys[: 5 + number % 2]:
                caption, other, negative = rng.sample(CAPTIONS, 3)
                item = {"filename": f"{key}.jpg", "caption": caption, "negative_caption": negative}
                items.append(item if kind == "sugarcrepe" else {**item, "caption2": other})
            content = items if kind == "sugarcrepe-plus" else {str(place): item for place, item in enumerate(items)}
            layouts.write(data / folder / f"{part}.json", json.dumps(content).encode())
            counts.setdefault(kind, {})[part] = len(items)

    folder = data / "negbench" / "images"
    folder.mkdir(parents=True)
    header = ["image_path", "correct_answer", *(f"caption_{place}" for place in range(4)), "correct_answer_template"]
    voc = [f"{number + 1:06d}" for number in range(0, 40, 10)]
    for name, where, images in (
        ("COCO_val_mcq", "data/coco/images/val2017", keys),
        ("VOC2007_mcq", "data/VOCdevkit/VOC2007/JPEGImages", voc),
    ):
        rows = [[f"{where}/{key}.jpg", 0, *rng.sample(CAPTIONS, 4), "negative"] for key in images]
        pd.DataFrame(rows, columns=header).to_csv(folder / f"{name}_llama3.1_rephrased.csv", index=False)
    for name in ("COCO_val_retrieval", "COCO_val_negated_retrieval_llama3.1_rephrased_affneg_true"):
        rows = [[f"data/coco/images/val2017/{key}.jpg", repr(rng.sample(CAPTIONS, 5))] for key in keys]
        pd.DataFrame(rows, columns=["filepath", "captions"]).to_csv(folder / f"{name}.csv", index=False)
    counts |= {"negbench-mcq-coco": len(keys), "negbench-mcq-voc2007": len(voc)}
    counts |= dict.fromkeys(("negbench-retrieval", "negbench-retrieval-negated"), len(keys))

    existence = {}
    for number in range(6):
        caption, foil = rng.sample(CAPTIONS, 2)
        layouts.write(data / "visual7w" / "images" / f"v7w_{number}.jpg", picture(500 + number))
        votes = 1 if number == 5 else 3  # too few: this item does not count
        item = {"image_file": f"v7w_{number}.jpg", "caption": caption, "foil": foil, "mturk": {"caption": votes}}
        existence[f"existence_visual7w_{number}"] = item
    layouts.write(data / "valse" / "existence.json", json.dumps(existence).encode())
    boxes = [[0, 0, 20, 20], [10, 5, 25.5, 30]]
    items = [
        {"image": f"COCO_train2014_{number + 1:012d}.jpg", "phrase": "no dog", "ref_bbox": boxes[0], "bbox_list": boxes}
        for number in range(3)
    ]
    layouts.write(data / "negrefcocog" / "NegRefCOCOg.json", json.dumps(items).encode())
    return counts | {"valse-existence": 5, "negrefcocog": 3}


def _checkpoints(folder: Path) -> None:
    """Two CLIPs, and one of them with another text tower and image tower, as Neg-CLIP's training stores it."""
    folder.mkdir(parents=True)
    for seed, name in enumerate(("vit-b32", "vit-b16", "negclip-b32")):
        torch.manual_seed(seed)
        model = build(TINY)
        if name == "negclip-b32":
            torch.save({"state_dict": {f"module.{key}": value for key, value in model.state_dict().items()}},
                       folder / f"{name}.pt")  # fmt: skip
        else:
            save_checkpoint(folder / f"{name}.pt", model)


def pack(root: Path, port: int) -> Path:
    """Fill `root`/data and return the configuration to put over config/paper.yaml.

    Parameters
    ----------
    root : Path
        A copy of this repository.
    port : int
        Where the links of the captions file lead, on the loopback interface.
    """
    data = root / "data"
    paper = yaml.safe_load((ROOT / "config" / "paper.yaml").read_text())
    _cc3m(root / paper["fetch"]["captions"])
    counts = _annotations(data, _coco(data / "coco"))
    _checkpoints(data / "checkpoints")
    for number, path in enumerate(captions_files(str(data / "crepe" / "prod_hard_negatives" / "negate")), 4):
        region = f"{number},2,3,10,8,a dog on a sofa,\"['no dog on a sofa', 'a dog']\"\n"
        layouts.write(Path(path), f"image_id,x,y,width,height,caption,hard_negs\n{region}".encode())
        layouts.write(
            data / "visual-genome" / f"VG_100K{'' if number % 2 else '_2'}" / f"{number}.jpg", picture(number)
        )
    images = {"distractors": 12, "coco-val2017": 9, "negrefcocog": 6}
    images["imagenet-1k"] = len(layouts.imagenet_flat(data / "imagenet"))
    images["voc2007-test"] = len(layouts.voc2007(data / "voc2007"))
    zeroshot = data / "zeroshot"
    for classes in (10, 100):
        images[f"cifar-{classes}"] = len(layouts.cifar(zeroshot, classes)[1])
    for make in (
        layouts.caltech_101, layouts.stanford_cars, layouts.food_101, layouts.oxford_pets,
    ):  # fmt: skip
        images[make.__name__.replace("_", "-")] = len(make(zeroshot))
    # Torchvision knows the flowers' lists of labels by their MD5, and takes no others: their images come as a tar.
    flowers = {"name": "flowers-102", "images": "data/zeroshot/flowers-102.tar", "count": 8}
    samples = (
        (f"{label:05d}", {"jpg": picture(label), "json": json.dumps({"label": 12 * label}).encode()})
        for label in range(8)
    )
    write_samples(root / flowers["images"], samples)
    # Of ImageNet's 80 templates the first three: 80,000 prompts would take longer than all the rest.
    templates = (ROOT / "config" / "templates" / "imagenet-1k.txt").read_text().splitlines()[:3]
    layouts.write(data / "templates.txt", "\n".join(templates).encode())
    sheet = "experiment\tfamily\tbackbone\tloss\tnegatives\tseeds\tbenchmarks\n"
    sheet += "conclip-b32\tCoN-CLIP\tvit-b32\tconclip\tccneg\t0,1\tall\n"
    sheet += "crepe-b32\tCoN-CLIP\tvit-b32\tl1\tcrepe\t0\tccneg,zeroshot,sugarcrepe\n"
    layouts.write(data / "experiments.tsv", sheet.encode())

    for dataset in paper["evaluate"]["zeroshot"]["datasets"]:
        if dataset["name"] == "imagenet-1k":
            dataset["templates"] = "data/templates.txt"
    clip = {"source": "checkpoint", "activation": "quickgelu"}
    differences = {
        "run": "shoebox",
        "fetch": {
            "rows": len(CAPTIONS) + 2, "parts": 2, "image_size": 32, "backoff_s": 0.01,
            "connect_to": {SUFFIX: f"127.0.0.1:{port}"},
        },
        "backbones": {
            "models": [
                {"name": "vit-b32", "path": "data/checkpoints/vit-b32.pt", **clip},
                {"name": "vit-b16", "path": "data/checkpoints/vit-b16.pt", **clip, "benchmarks": ["ccneg"]},
                {
                    "name": "negclip-b32", "path": "data/checkpoints/negclip-b32.pt", **clip,
                    "family": "Neg-CLIP", "backbone": "vit-b32", "benchmarks": ["ccneg", "sugarcrepe"],
                },
            ]
        },
        "features": {
            "training_precision": "fp32",
            "pools": [
                flowers if pool["name"] == "flowers-102" else {**pool, "count": images.get(pool["name"])}
                for pool in paper["features"]["pools"]
            ],
        },
        "finetune": {
            "experiments": "data/experiments.tsv", "batch_size": 8, "epochs": 2, "lr": 1.0e-3, "warmup_steps": 1,
            "precision": "fp32",
        },
        "evaluate": {
            "zeroshot": {"datasets": paper["evaluate"]["zeroshot"]["datasets"]},
            "benchmarks": [
                {**entry, "count": counts[entry["name"]]} for entry in paper["evaluate"]["benchmarks"]
            ],
        },
    }  # fmt: skip
    layouts.write(root / "shoebox.yaml", yaml.safe_dump(differences).encode())
    return root / "shoebox.yaml"
