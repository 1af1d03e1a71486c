"""Evaluate a model on zero-shot classification, with several prompts.

::

    python -m pipeline_lib.evaluate.zeroshot --weights model.pt --record run.json \\
        --dataset cifar-10 cifar-10.txt cifar-10/00000.safetensors --dataset imagenet-1k ... \\
        --prompt plain 'this is a photo of a {}' --prompt negated 'this is not a photo of a {}' --prompt bare '{}' \\
        --prompt imagenet-1k:bare @templates/imagenet-1k.txt \\
        --threads 1 --scores zeroshot.parquet --metrics zeroshot.json

``--prompt NAME`` is for every dataset, ``--prompt DATASET:NAME`` for one, and of two for the same the later counts.
Templates are given one by one, or by ``@FILE`` with one per line. ``--prompt-classes DATASET NAME FILE`` gives a set
other class names under one prompt, as many as it has classes.

An image is assigned to the class whose prompt has the highest cosine with it, of equal ones to the first. Where a
prompt has several templates, their normalised features are averaged and normalised again. Under a negated prompt a
model that understands "not" puts the true class low, so a low top-1 is the wanted result (paper, section 5). Names are
passed as they stand: CLIP's tokenizer makes them lower-case.

Items: ``dataset``, ``prompt``, ``key``, ``label``, ``predicted``, ``score`` (cosine with the predicted class),
``score_label`` (with the true one), ``correct``. Metrics per dataset and prompt: ``top1`` and ``mean_per_class``.
"""

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from pipeline_lib.clip.load import CLIP
from pipeline_lib.clip.tokenizer import encode as read
from pipeline_lib.clip.variants import products
from pipeline_lib.evaluate.kinds import ZEROSHOT
from pipeline_lib.evaluate.prompts import prompts_of, read_classes
from pipeline_lib.evaluate.result import evaluation_parser, load_model, measure, read_model, write_result
from pipeline_lib.evaluate.subtract import encode
from pipeline_lib.features.store import Features, load_features, tower_id
from pipeline_lib.jobs.cli import run


def classifiers(model: CLIP, wanted: list[tuple[list[str], list[str]]], subtract: float | None = None) -> list[Tensor]:
    """Return the weights (c × d) of zero-shot classifiers: for each class the normalised mean of its prompts' features.

    `wanted` has for each classifier its c class names and its templates, each with one ``{}`` for the class name;
    `subtract` is the weight of `encode`.
    """
    prompts = [text.replace("{}", name) for classes, templates in wanted for name in classes for text in templates]
    sizes = [len(classes) * len(templates) for classes, templates in wanted]
    parts = zip(encode(model, prompts, subtract).split(sizes), wanted, strict=True)
    return [
        functional.normalize(features.view(len(classes), len(templates), -1).mean(dim=1), dim=-1)
        for features, (classes, templates) in parts
    ]


def read_dataset(classes_path: str, features_paths: list[str], tower: str) -> tuple[list[str], Features]:
    """Return the class names and the image features of a labelled set; refuse labels without a class.

    Classes that CLIP reads alike and classes without an image are printed.
    """
    classes, pool = read_classes(classes_path), load_features(features_paths, tower)
    labels = [] if pool.labels is None else pool.labels.tolist()
    if len(classes) < 2:
        raise ValueError(f"{classes_path}: expected a name for each of several classes, one per line, found {classes}")
    wrong = [row for row, label in enumerate(labels) if not 0 <= label < len(classes)]
    if wrong or not labels:
        found = f"{labels[wrong[0]]} of image {pool.keys[wrong[0]]!r}" if wrong else "no labels"
        raise ValueError(
            f"{', '.join(features_paths)}: expected labels from 0 to {len(classes) - 1} as in {classes_path}, "
            f"found {found}"
        )
    first: dict[tuple, int] = {}
    later = {row for row, name in enumerate(classes) if first.setdefault(tuple(read(name)), row) != row}
    if later:  # as in OpenAI's list for ImageNet
        lost = sum(label in later for label in labels)
        print(
            f"{classes_path}: {len(later)} of {len(classes)} classes have the name of an earlier one, which is chosen: "
            f"{', '.join(classes[row] for row in sorted(later))}; {lost:,} of {len(labels):,} images cannot be right"
        )
    empty = sorted(set(range(len(classes))) - set(labels))
    if empty:
        print(f"{classes_path}: {len(empty)} of {len(classes)} classes have no image, such as {classes[empty[0]]!r}")
    return classes, pool


def score_items(dataset: str, prompt: str, pool: Features, weights: Tensor) -> pd.DataFrame:
    """Return the items of one dataset under one prompt, from labelled features and the classifier's weights (c × d)."""
    (scores,) = products([pool.features], weights)  # (n, c); of equal classes the first wins
    best = scores.max(dim=1)
    return pd.DataFrame(
        {
            "dataset": dataset,
            "prompt": prompt,
            "key": pool.keys,
            "label": pool.labels.numpy(),
            "predicted": best.indices.numpy(),
            "score": best.values.numpy(),
            "score_label": scores[torch.arange(len(scores)), pool.labels].numpy(),
            "correct": (best.indices == pool.labels).numpy(),
        }
    )


def main() -> None:
    """Evaluate the model that the command line names."""
    parser = evaluation_parser(__doc__)
    of_set = "a dataset: its name, file of class names, features of all parts; repeatable"
    of_prompt = "a prompt: its name and templates, with {} for the class; DATASET:NAME for one dataset; repeatable"
    of_classes = "other class names for a dataset under one prompt; repeatable"
    parser.add_argument(
        "--dataset", nargs="+", action="append", required=True, metavar=("NAME", "CLASSES FEATURES"), help=of_set
    )
    parser.add_argument(
        "--prompt", nargs="+", action="append", required=True, metavar=("NAME", "TEMPLATE"), help=of_prompt
    )
    named = ("DATASET", "NAME", "CLASSES")
    parser.add_argument("--prompt-classes", nargs=3, action="append", default=[], metavar=named, help=of_classes)
    args = parser.parse_args()
    if any(len(given) < 3 for given in args.dataset):
        parser.error("--dataset needs a name, a file of classes and at least one file of features")
    if any(len(given) < 2 for given in args.prompt):
        parser.error("--prompt needs a name and at least one template, or @FILE")
    prompts = {name: prompts_of(name, args.prompt) for name, *_ in args.dataset}
    model = load_model(args)
    tower = tower_id(model)
    sets = {name: read_dataset(classes, features, tower) for name, classes, *features in args.dataset}
    classes = {(name, prompt): sets[name][0] for name in sets for prompt in prompts[name]}
    for name, prompt, path in args.prompt_classes:
        classes[name, prompt] = read_classes(path)
        if (found := len(classes[name, prompt])) != (expected := len(sets[name][0])):
            raise ValueError(f"{path}: expected {expected} class names as {name} has, found {found}")
    wanted = [(name, prompt) for name in sets for prompt in prompts[name]]
    chosen = [(classes[name, prompt], prompts[name][prompt]) for name, prompt in wanted]
    weights = classifiers(model, chosen, args.subtract)
    scored = [
        score_items(name, prompt, sets[name][1], rows) for (name, prompt), rows in zip(wanted, weights, strict=True)
    ]
    items = pd.concat(scored, ignore_index=True)
    write_result(args, read_model(args.record, args.subtract), "zeroshot", items, measure(ZEROSHOT, items))


if __name__ == "__main__":
    run(main)
