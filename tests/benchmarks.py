"""What the tests of the evaluation share: made-up texts and features, and the run of a command."""

import csv

import numpy as np
import pandas as pd
import torch
from conftest import call
from torch.nn import functional

from pipeline_lib.clip.load import clip
from pipeline_lib.evaluate.kinds import MCQ_FIELDS
from pipeline_lib.features.store import IN_HALF, Features, save_features, tower_id
from pipeline_lib.jobs.files import read_json, read_parquet, write_json, write_parquet
from pipeline_lib.jobs.run_record import baseline

TEXTS = [
    f"{article} {colour} {thing} {tail}"
    for article in ("a", "no", "the")
    for colour in ("red", "blue", "old")
    for thing in ("dog", "kite", "bus", "tree")
    for tail in ("on a hill", "without people", "in the rain")
]


def choose(count, seed):
    """Some texts, each once."""
    return [TEXTS[place] for place in np.random.default_rng(seed).permutation(len(TEXTS))[:count]]


def write_csv(path, header, rows):
    """Write a CSV file and return its path."""
    with open(path, "w", encoding="utf-8", newline="") as content:
        csv.writer(content).writerows([header, *rows])
    return path


def write_questions(path, rows):
    """Write NegBench's questions: an image's path, four captions, the number of the right one, its template."""
    return write_csv(path, [*MCQ_FIELDS, "correct_answer", "correct_answer_template"], rows)


def write_triplets(path, keys, captions, negated, **columns):
    """Write CC-Neg's triplets and return the path."""
    frame = {"key": list(keys), "caption": captions, "negated_caption": negated, "negation_word": "no", "n_pairs": 1}
    write_parquet(path, pd.DataFrame(frame | columns))
    return path


def random_rows(n, d=32, seed=0, cone=0.0):
    """Random features of shape (n, d), L2-normalised; around a common direction if `cone` is not 0."""
    rows = torch.randn(n, d, generator=torch.Generator().manual_seed(seed))
    rows[:, 0] += cone
    return functional.normalize(rows, dim=-1)


def write_features(path, model, keys, rows, labels=None):
    """Write features of a pool as `model`'s image tower would have made them; return the path."""
    precision = IN_HALF if model.dtype == torch.float16 else "fp32"
    save_features(path, Features(list(keys), rows, labels, tower_id(model), precision=precision))
    return path


def read_text(model, text):
    """The features of a text, encoded alone over 77 positions as the published scripts do."""
    with torch.no_grad():
        features = model.encode_text(clip.tokenize([text], truncate=True))[0]
    return features / features.norm()


def run_evaluation(main, folder, *words, **flags):
    """Run an evaluation's command; return its items and its metrics file, or raise the mistake that it ends with."""
    outputs = {"scores": folder / "scores.parquet", "metrics": folder / "metrics.json"}
    mistake = call(main, *words, **flags, **outputs)
    if mistake is not None:
        raise ValueError(mistake)
    return read_parquet(outputs["scores"]), read_json(outputs["metrics"])


def evaluate(main, folder, checkpoint, *words):
    """Run the evaluation of a model."""
    write_json(folder / "run.json", baseline("tiny"))
    return run_evaluation(main, folder, *words, weights=checkpoint, record=folder / "run.json", threads=1)
