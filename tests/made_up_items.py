"""Made-up items of every benchmark, from a model's name alone: what the tests of the paper stage make tables of."""

import json

import numpy as np
import pandas as pd

from pipeline_lib.evaluate.kinds import KINDS, SUGARCREPE_PARTS
from pipeline_lib.formats.wordings import TRAINED, UNSEEN

DATASETS = ("kinds", "colours", "counts")
PROMPTS = ("plain", "negated", "bare")
PARTS = tuple(SUGARCREPE_PARTS)
# Of other benchmarks the kind is the name.
KIND_OF = {"negbench-mcq-coco": "mcq", "negbench-retrieval": "retrieval", "valse-existence": "valse"}
WORDS = ("no", "not", "without")


def random_of(*words) -> np.random.Generator:
    """Return a generator that depends on the words alone."""
    return np.random.default_rng(list(json.dumps(words).encode()))


def scored(frame: pd.DataFrame, correct: np.ndarray, positive: str, negative: str) -> pd.DataFrame:
    """Add scores that say the same as `correct`; ties are left out."""
    rng = np.random.default_rng(len(frame))
    frame = frame.assign(**{positive: rng.random(len(frame))})
    return frame.assign(**{negative: frame[positive] - np.where(correct, 0.1, -0.1), "correct": correct})


def ccneg_of(model: str, n: int = 120) -> pd.DataFrame:
    """CC-Neg's items: 120 of three words and 1, 2, or 10 pairs (which count as 5)."""
    frame = pd.DataFrame({"key": [f"{number:09}" for number in range(n)]})
    frame = frame.assign(negation_word=np.resize(WORDS, n), n_pairs=np.resize(np.repeat([10, 2, 1], [1, 2, 3]), n))
    correct = random_of(model, "ccneg").random(n) < (0.99 if model.startswith(("conclip", "l1")) else 0.65)
    return scored(frame, correct, "score_true", "score_negated")


def zeroshot_of(model: str, datasets=DATASETS, prompts=PROMPTS, n: int = 40) -> pd.DataFrame:
    """Items of labelled sets with 40, 41, ... images of classes of different size."""
    parts = []
    for number, dataset in enumerate(datasets):
        for prompt in prompts:
            rng, count = random_of(model, dataset, prompt), n + number
            labels = np.minimum(np.arange(count) % 7, 4)
            right = rng.random(count) < (0.15 if prompt == "negated" and model.startswith("conclip") else 0.7)
            part = {"dataset": dataset, "prompt": prompt, "key": [f"{dataset}-{row}" for row in range(count)]}
            predicted = np.where(right, labels, (labels + 1) % 5)
            scores = rng.random((2, count))
            of_label = np.where(right, scores.max(axis=0), scores.min(axis=0))
            scores = {"score": scores.max(axis=0), "score_label": of_label}
            parts.append(pd.DataFrame({**part, "label": labels, "predicted": predicted, **scores, "correct": right}))
    return pd.concat(parts, ignore_index=True)


def sugarcrepe_of(model: str) -> pd.DataFrame:
    rows = [(part, str(row), f"{row:012}") for count, part in enumerate(PARTS, 20) for row in range(count)]
    frame = pd.DataFrame(rows, columns=["part", "item", "key"])
    correct = random_of(model, "sugarcrepe").random(len(frame)) < 0.7
    return scored(frame, correct, "score_positive", "score_negative")


def sugarcrepe_plus_of(model: str) -> pd.DataFrame:
    frame = sugarcrepe_of(model)
    frame = frame[frame.part.isin(list(KINDS["sugarcrepe-plus"].parts))].reset_index(drop=True)
    return frame.assign(correct_text=random_of(model, "text").random(len(frame)) < 0.6)


def mcq_of(model: str, n: int = 60) -> pd.DataFrame:
    template = np.resize(["positive", "negative", "hybrid", "negative"], n)
    frame = pd.DataFrame({"item": range(n), "key": [f"{row // 2:06}" for row in range(n)], "template": template})
    return scored(frame, random_of(model, "mcq").random(n) < 0.4, "score_0", "score_1")


def valse_of(model: str, n: int = 534) -> pd.DataFrame:
    frame = pd.DataFrame({"item": [f"existence_{row}" for row in range(n)], "key": [f"v7w_{row}" for row in range(n)]})
    frame["votes"] = np.resize([3, 2, 3, 0, 3, 1], n)
    return scored(frame, random_of(model, "valse").random(n) < 0.7, "score_caption", "score_foil")


def retrieval_of(model: str) -> pd.DataFrame:
    """Five captions of each of five images, and the images."""
    keys = [f"{row // 5:06}" for row in range(25)] + [f"{row:06}" for row in range(5)]
    frame = pd.DataFrame({"key": keys, "caption": [*np.resize(range(5), 25), *[-1] * 5]})
    rng = random_of(model, "retrieval")
    frame = frame.assign(direction=np.repeat(["text-to-image", "image-to-text"], [25, 5]), score=rng.random(30))
    return frame.assign(rank=rng.integers(1, 9, 30)).assign(correct=lambda items: items["rank"] == 1)


def truth_table_of(model: str, n: int = 30) -> pd.DataFrame:
    """Pairs of images of two concepts in five wordings, twice each: by which of the two shows the concept."""
    forms = [*(("trained", form) for form in TRAINED), *(("unseen", form) for form in UNSEEN)]
    pairs = pd.DataFrame([forms[row % len(forms)] for row in range(n)], columns=["wording", "form"])
    rng = random_of(model, "truth-table")
    pairs = pairs.assign(concept=np.resize(["dog", "cat"], n), item=range(n), correct=rng.random(n) < 0.2)
    pairs = pairs.assign(**{name: rng.normal(size=n) for name in ("text_effect", "image_effect", "interaction")})
    sides = [pairs.assign(truth=truth, key=[f"{truth}{n}" for n in pairs.item]) for truth in ("present", "absent")]
    frame = pd.concat(sides)
    answers = {name: rng.random(2 * n) < 0.6 for name in ("caption", "image")}
    return frame.reset_index(drop=True).assign(**answers)


def negated_retrieval_of(model: str, n: int = 20) -> pd.DataFrame:
    frame = pd.DataFrame({"item": range(n), "key": [f"{row:06}" for row in range(n)], "absent": "cat"})
    precisions = random_of(model, "negated-retrieval").random(n)
    return frame.assign(present=np.resize(["dog", "bird", "horse"], n), average_precision=precisions)


ITEMS = {
    **{"ccneg": ccneg_of, "zeroshot": zeroshot_of, "sugarcrepe": sugarcrepe_of, "sugarcrepe-plus": sugarcrepe_plus_of},
    **{"negbench-mcq-coco": mcq_of, "negbench-retrieval": retrieval_of, "valse-existence": valse_of},
    **{"truth-table": truth_table_of, "negated-retrieval": negated_retrieval_of},
}
