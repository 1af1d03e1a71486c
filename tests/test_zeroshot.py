"""The zero-shot evaluator against the published protocol, written down slowly: one prompt and one image at a time."""

import pandas as pd
import pytest
import torch
from benchmarks import evaluate, read_text, write_features
from conftest import flags_of
from torch import Tensor
from torch.nn import functional

from pipeline_lib.clip.load import CLIP, clip, save_checkpoint
from pipeline_lib.evaluate import zeroshot

TOLERANCE = 2e-6  # of a cosine: the order of sums in fp32


def published_classifier(model: CLIP, classes: list[str], templates: list[str]) -> Tensor:
    """Return the class features (c, d): prompts encoded alone over 77 positions, normalised, averaged, normalised."""
    rows = []
    for name in classes:
        mean = torch.stack([read_text(model, template.format(name)) for template in templates]).mean(dim=0)
        rows.append(mean / mean.norm())
    return torch.stack(rows)


def published_items(images: Tensor, labels: list[int], weights: Tensor) -> list[dict]:
    """Return each image's prediction: the class with the highest cosine, of equal ones the first."""
    items = []
    for image, label in zip(images, labels, strict=True):
        cosines = [float(image @ row) for row in weights]
        best = max(range(len(cosines)), key=lambda number: (cosines[number], -number))
        runner_up = max(cosines[:best] + cosines[best + 1 :])
        item = {"predicted": best, "score": cosines[best], "score_label": cosines[label]}
        items.append({**item, "sure": cosines[best] - runner_up > 2 * TOLERANCE})
    return items


def published_metrics(labels: list[int], predicted: list[int]) -> tuple[float, float]:
    """Return top-1 and mean-per-class accuracy in percent, counted one by one."""
    right, seen = {}, {}
    for label, guess in zip(labels, predicted, strict=True):
        seen[label] = seen.get(label, 0) + 1
        right[label] = right.get(label, 0) + (label == guess)
    return 100 * sum(right.values()) / len(labels), 100 * sum(right[label] / seen[label] for label in seen) / len(seen)


def score(folder, model: CLIP, sets: dict, *prompts: list, **more) -> tuple[pd.DataFrame, dict]:
    """Run the command on `sets` (name -> classes, images (n, d), labels), each in two shards; return items, metrics."""
    flags = []
    for name, (classes, images, labels) in sets.items():
        (folder / f"{name}.txt").write_text("".join(f"{entry}\n" for entry in classes))
        keys, labels = [f"{number:05d}" for number in range(len(labels))], torch.tensor(labels)
        shards = [folder / f"{name}-{part}.safetensors" for part in (0, 1)]
        for shard, rows in zip(shards, (slice(0, 1), slice(1, None)), strict=True):
            write_features(shard, model, keys[rows], images[rows], labels[rows])
        flags += ["--dataset", name, folder / f"{name}.txt", *shards]
    for prompt in prompts:
        flags += ["--prompt", *prompt]
    save_checkpoint(folder / "model.pt", model)
    items, content = evaluate(zeroshot.main, folder, folder / "model.pt", *flags, *flags_of(**more))
    return items, {(one["dataset"], one["prompt"], one["metric"]): one["value"] for one in content["metrics"]}


def images_near(weights: Tensor, labels: list[int], seed: int) -> Tensor:
    """Return image features (n, d): what tells an image's class from the others, and more noise than that."""
    noise = torch.randn(len(labels), weights.shape[1], generator=torch.Generator().manual_seed(seed))
    telling = weights - weights.mean(dim=0)
    return functional.normalize(telling[labels] + 2 * telling.norm(dim=1).mean() * functional.normalize(noise), dim=-1)


@torch.no_grad()
def compare(items: pd.DataFrame, metrics: dict, model: CLIP, sets: dict, templates: dict) -> None:
    """Compare the command's items and metrics with the published protocol's, for (dataset, prompt) -> templates."""
    for (name, prompt), used in templates.items():
        classes, images, labels = sets[name]
        expected = pd.DataFrame(published_items(images, labels, published_classifier(model, classes, used)))
        mine = items[(items.dataset == name) & (items.prompt == prompt)].reset_index(drop=True)
        assert mine.label.tolist() == labels
        for column in ("score", "score_label"):
            assert (mine[column] - expected[column]).abs().max() <= TOLERANCE
        assert expected.sure.mean() > 0.8, "most items should have a clear winner, or nothing is compared"
        assert mine.predicted[expected.sure].tolist() == expected.predicted[expected.sure].tolist()
        assert mine.correct.tolist() == (mine.predicted == mine.label).tolist()
        top1, per_class = published_metrics(labels, mine.predicted.tolist())
        assert metrics[name, prompt, "top1"] == pytest.approx(top1)
        assert metrics[name, prompt, "mean_per_class"] == pytest.approx(per_class)


def test_every_prompt_is_scored_as_published(tmp_path, tiny_clip):
    pets = ["Abyssinian", "american bulldog", "Bengal", "pug"]
    things = ["tench", "missile", "kite (bird of prey)", "wok"]
    templates = ["a bad photo of a {}.", "a {} in a video game.", "art of the {}."]
    (tmp_path / "templates.txt").write_text("".join(f"{template}\n" for template in templates))
    sets = {}
    for seed, (name, classes) in enumerate({"pets": pets, "things": things}.items()):
        labels = [0] * 17 + [1] * 5 + [2] * 11 + [3] * 3  # so that mean per class differs from top-1
        with torch.no_grad():
            sets[name] = classes, images_near(published_classifier(tiny_clip, classes, ["{}"]), labels, seed), labels
    prompts = [
        ["plain", "this is a photo of a {}"],
        ["negated", "this is not a photo of a {}"],
        ["bare", "{}"],
        ["things:bare", f"@{tmp_path / 'templates.txt'}"],
    ]
    items, metrics = score(tmp_path, tiny_clip, sets, *prompts)
    shared = {"plain": [prompts[0][1]], "negated": [prompts[1][1]], "bare": ["{}"]}
    wanted = {("pets", prompt): used for prompt, used in shared.items()}
    wanted |= {("things", prompt): used for prompt, used in (shared | {"bare": templates}).items()}
    compare(items, metrics, tiny_clip, sets, wanted)
    assert metrics["pets", "bare", "top1"] != metrics["pets", "bare", "mean_per_class"]
    assert 40 < metrics["pets", "bare", "top1"] < 100


def test_a_prompt_may_have_other_class_names(tmp_path, tiny_clip):
    classes, others, labels = ["dog", "cat", "air plant"], ["dog", "cat", "ball moss"], [0, 1, 2] * 8
    (tmp_path / "others.txt").write_text("".join(f"{name}\n" for name in others))
    with torch.no_grad():
        images = images_near(published_classifier(tiny_clip, classes, ["{}"]), labels, 0)
    given = (["bare", "{}"], ["photo", "{}"])
    more = {"prompt_classes": ["pets", "photo", tmp_path / "others.txt"]}
    sets = {"pets": (classes, images, labels)}
    items, metrics = score(tmp_path, tiny_clip, sets, *given, **more)
    compare(items, metrics, tiny_clip, {"pets": (others, images, labels)}, {("pets", "photo"): ["{}"]})
    compare(items, metrics, tiny_clip, sets, {("pets", "bare"): ["{}"]})
    (tmp_path / "others.txt").write_text("dog\n")
    with pytest.raises(ValueError, match=r"others\.txt: expected 3 class names as pets has, found 1"):
        score(tmp_path, tiny_clip, sets, *given, **more)


def test_of_equal_classes_the_first_wins(tmp_path, tiny_clip):
    """A matrix product can differ in the last bit between equal columns: with seven of them it does here."""
    classes = ["sunglasses", "missile", "wok", "tench", "hen", "missile", "sunglasses"]
    labels = [number % 7 for number in range(700)]
    images = functional.normalize(torch.randn(700, 32, generator=torch.Generator().manual_seed(0)), dim=-1)
    items, _ = score(tmp_path, tiny_clip, {"things": (classes, images, labels)}, ["bare", "{}"])
    assert set(items.predicted) <= {0, 1, 2, 3, 4}
    assert {0, 1} & set(items.predicted)
    assert not items.correct[items.label >= 5].any()


def test_names_are_made_lower_case_by_the_tokenizer():
    """The published loader writes names in lower case; for CLIP that is the same text."""
    names = ["British Shorthair", "AM General Hummer SUV 2000", "head of a  crocodile"]
    assert torch.equal(clip.tokenize(names), clip.tokenize([" ".join(name.lower().split()) for name in names]))


def test_classes_without_an_image_and_repeated_names_are_reported(tmp_path, tiny_clip, capsys):
    images = functional.normalize(torch.randn(2, 32, generator=torch.Generator().manual_seed(0)), dim=-1)
    sets = {"pets": (["pug", "Pug", "boxer"], images, [0, 1])}
    score(tmp_path, tiny_clip, sets, ["bare", "{}"])
    said = capsys.readouterr().out
    assert "pets.txt: 1 of 3 classes have no image, such as 'boxer'" in said
    assert "1 of 3 classes have the name of an earlier one, which is chosen: Pug; 1 of 2 images cannot be right" in said


@pytest.mark.parametrize(
    ("labels", "found"), [(None, "no labels"), (torch.tensor([0, 2]), "2 of image 'b'"), (torch.tensor([0, 1]), None)]
)
def test_a_labelled_set_needs_a_class_for_each_label(tmp_path, tiny_clip, labels, found):
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    path = str(write_features(tmp_path / "pets.safetensors", tiny_clip, "ab", torch.eye(2), labels))
    if found is None:
        classes, pool = zeroshot.read_dataset(str(tmp_path / "classes.txt"), [path], None)
        assert (classes, pool.keys) == (["dog", "cat"], ["a", "b"])
    else:
        with pytest.raises(ValueError, match=rf"pets\.safetensors: expected labels from 0 to 1 .*, found {found}"):
            zeroshot.read_dataset(str(tmp_path / "classes.txt"), [path], None)


def test_a_set_of_one_class_is_refused(tmp_path, tiny_clip):
    (tmp_path / "classes.txt").write_text("dog, cat\n")
    path = str(write_features(tmp_path / "pets.safetensors", tiny_clip, "ab", torch.eye(2), torch.tensor([0, 0])))
    with pytest.raises(ValueError, match=r"classes\.txt: expected a name for each of several classes, .*'dog, cat'"):
        zeroshot.read_dataset(str(tmp_path / "classes.txt"), [path], None)
