"""Fit the quality score on judged outputs, and measure it on others.

    python -m pipeline_lib.captions.quality_model record --outputs r.tsv --verdicts r.verdicts.tsv --reader B --use fit
    python -m pipeline_lib.captions.quality_model fit --captions cc3m.tsv --verdicts tests/captions/verdicts.tsv
    python -m pipeline_lib.captions.quality_model measure --captions cc3m.tsv --verdicts tests/captions/verdicts.tsv

Verdicts are kept without the captions, which are not ours to publish: a hash of caption and negated caption, the
reader, what the row is for (fit or test), the verdicts on negated caption, exclusion caption and object, and why
(`record` makes such lines). `fit` and `measure` form every candidate of the captions again and find the judged ones by
their hashes. `fit` is a logistic regression with an L2 penalty and an intercept for each reader, since readers differ
in level; it writes the weights into ``rules/quality.tsv``, whose constant is the readers' mean. `measure` prints, for
each reader, the area under the curve, and how many of the outputs from a score on are good.
"""

import argparse
import csv
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from pipeline_lib.captions.rules.backend import load_tagger
from pipeline_lib.captions.rules.chunks import Caption
from pipeline_lib.captions.rules.forms import Candidate, candidates
from pipeline_lib.captions.rules.relations import parse
from pipeline_lib.captions.rules.scenes import cut_heading
from pipeline_lib.captions.rules.scoring import MODEL, Scorer, Weight, features
from pipeline_lib.formats.word_lists import read_table
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.text import open_text, read_lines

TABLE = Path(__file__).parent / "rules" / "quality.tsv"
PENALTY = 32.0
USES = ("fit", "test", "fresh")
THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.75, 0.78, 0.8, 0.85)


class Verdict(NamedTuple):
    """What a reader says of an output; `negated`, `exclusion` and `object` are ``good`` or ``bad``."""

    output: str  # see `output_hash`
    reader: str
    use: str  # fit; test, of all outputs, or fresh, of those from the threshold on: never fitted on
    negated: str
    exclusion: str
    object: str
    why: str  # of a bad negated caption


class Judged(NamedTuple):
    """A judged candidate that today's rules still offer."""

    verdict: Verdict
    caption: Caption
    candidate: Candidate

    @property
    def is_good(self) -> bool:
        """Whether the reader calls all three good: negated caption, exclusion caption and object."""
        return self.verdict.negated == self.verdict.exclusion == self.verdict.object == "good"


def output_hash(caption: str, negated: str) -> str:
    """Return the name of an output: 16 hexadecimal digits of the SHA-256 of caption, line feed and negated caption."""
    return hashlib.sha256(f"{caption}\n{negated}".encode()).hexdigest()[:16]


def read_verdicts(path: Path) -> list[Verdict]:
    """Read a file of verdicts."""
    return [Verdict(*[*fields, ""][: len(Verdict._fields)]) for fields in read_table(path)]


def find_judged(texts: Iterable[str], verdicts: Iterable[Verdict]) -> list[Judged]:
    """Form every candidate of the captions and return the judged ones, in the order of the captions."""
    by_output: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_output.setdefault(verdict.output, []).append(verdict)
    tagger = load_tagger("lexicon")
    found = []
    for text in dict.fromkeys(texts):
        body = cut_heading(text)
        if not body.strip():
            continue
        caption = parse(tagger(body))
        seen = set()
        for candidate in candidates(caption) if caption.pairs else ():
            output = output_hash(text, candidate.text)
            if output in by_output and output not in seen:
                seen.add(output)
                found += [Judged(verdict, caption, candidate) for verdict in by_output[output]]
    return found


def fit(judged: list[Judged], penalty: float = PENALTY) -> dict[str, Weight]:
    """Return the model fitted on judged candidates; its features are those of the model that is there."""
    names = [name for name in MODEL if name != "constant"]
    readers = sorted({row.verdict.reader for row in judged})
    table = [features(row.caption, row.candidate) for row in judged]
    values = np.array([[found.get(name, 0.0) for name in names] for found in table])
    level = np.array([[float(row.verdict.reader == reader) for reader in readers] for row in judged])
    sign = np.array([1.0 if row.is_good else -1.0 for row in judged])
    design = np.hstack([values, level])
    penalties = np.r_[np.full(len(names), penalty), np.full(len(readers), 1e-3)]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (design @ weights)
        pull = -sign / (1 + np.exp(margin))
        return np.logaddexp(0, -margin).sum() + 0.5 * penalties @ weights**2, design.T @ pull + penalties * weights

    best = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 1000}).x
    fitted = dict(zip(names, best, strict=False)) | {"constant": best[len(names) :].mean()}
    return {name: Weight(round(float(fitted[name]), 2) + 0.0, MODEL[name].meaning) for name in MODEL}


def area(scores: Iterable[float], good: Iterable[bool]) -> float:
    """Return the area under the curve: how often a good output scores above a bad one."""
    scores, good = np.asarray(list(scores)), np.asarray(list(good))
    above = scores[good][:, None] - scores[~good][None, :]
    return float(((above > 0) + 0.5 * (above == 0)).mean())


def interval(good: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson)."""
    share, z = good / total, 1.96
    centre, width = share + z * z / (2 * total), z * (share * (1 - share) / total + z * z / (4 * total**2)) ** 0.5
    return (centre - width) / (1 + z * z / total), (centre + width) / (1 + z * z / total)


def curve(scores: Iterable[float], good: Iterable[bool]) -> Iterator[tuple[float, int, int]]:
    """Yield each of `THRESHOLDS`, how many outputs from this score on are good, and how many there are, if any."""
    scored = list(zip(scores, good, strict=True))
    for threshold in THRESHOLDS:
        if kept := [is_good for score, is_good in scored if score >= threshold]:
            yield threshold, sum(kept), len(kept)


def _read_captions(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        yield from (line.split("\t")[0] for line in read_lines(path))


def _record(arguments: argparse.Namespace) -> None:
    tables = []
    for path in (arguments.outputs, arguments.verdicts):
        with open_text(path) as lines:
            tables.append({row["key"]: row for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)})
    outputs, verdicts = tables
    for key, said in verdicts.items():
        output = output_hash(outputs[key]["caption"], outputs[key]["negated_caption"])
        row = Verdict(
            output, arguments.reader, arguments.use, said["negated"], said["exclusion"], said["object"], said["why"]
        )
        print("\t".join(row))


def _fit(arguments: argparse.Namespace) -> None:
    verdicts = [verdict for verdict in read_verdicts(arguments.verdicts) if verdict.use == "fit"]
    judged = find_judged(_read_captions(arguments.captions), verdicts)
    model = fit(judged, arguments.penalty)
    lines = [line for line in arguments.output.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    lines += [f"{name}\t{weight.weight + 0.0:.2f}\t{weight.meaning}" for name, weight in model.items()]
    arguments.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"fitted on {len(judged):,} of {len(verdicts):,} verdicts; the others are of outputs no longer made")


def _measure(arguments: argparse.Namespace) -> None:
    verdicts = [verdict for verdict in read_verdicts(arguments.verdicts) if verdict.use == arguments.use]
    judged = find_judged(_read_captions(arguments.captions), verdicts)
    print(f"{len(judged):,} of {len(verdicts):,} verdicts; the others are of outputs no longer made")
    for reader in sorted({row.verdict.reader for row in judged}):
        own = [row for row in judged if row.verdict.reader == reader]
        scores, are_good = zip(*((Scorer(row.caption).quality(row.candidate), row.is_good) for row in own), strict=True)
        print(f"reader {reader}: area {area(scores, are_good):.3f}")
        for threshold, good, kept in curve(scores, are_good):
            low, high = interval(good, kept)
            share = f"{good / kept:.1%} ({low:.1%} to {high:.1%})"
            print(f"  score {threshold:.2f} or more: {good} of {kept} good, {share}")


def main(flags: list[str] | None = None) -> None:
    """Run the command (see the module) with `flags`, or with those of the command line."""
    parser = argparse.ArgumentParser(description="Fit the quality score on judged outputs, and measure it.")
    commands = parser.add_subparsers(required=True)
    record = commands.add_parser("record", help="print verdicts with hashes in place of the captions")
    record.add_argument("--outputs", required=True, type=Path, help="TSV with key, caption, negated_caption")
    record.add_argument("--verdicts", required=True, type=Path, help="TSV with key, negated, why, exclusion, object")
    record.add_argument("--reader", required=True, help="letter that stands for the reader")
    record.add_argument("--use", required=True, choices=USES, help="whether the rows are to fit or to test")
    record.set_defaults(run=_record)
    for name, function, what in (("fit", _fit, "fit the score"), ("measure", _measure, "say how good it is")):
        command = commands.add_parser(name, help=what)
        command.add_argument(
            "--captions", required=True, nargs="+", type=Path, help="captions files in which the judged captions are"
        )
        command.add_argument("--verdicts", required=True, type=Path, help="file that `record` printed")
        command.set_defaults(run=function)
        if name == "fit":
            command.add_argument(
                "--penalty", type=float, default=PENALTY, help=f"strength of the L2 penalty (default: {PENALTY})"
            )
            command.add_argument(
                "--output",
                type=Path,
                default=TABLE,
                help="file of the model's weights, which is changed (default: the one in use)",
            )
        else:
            command.add_argument("--use", default="test", choices=USES, help="which rows (default: test)")
    arguments = parser.parse_args(flags)
    arguments.run(arguments)


if __name__ == "__main__":
    run(main)
