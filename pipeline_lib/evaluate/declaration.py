"""How a benchmark is declared: its items, which of them are behind each number, and how the number comes from them.

The evaluation computes the metrics from the declaration. The tables select the same items by it, check each number
against them, and draw intervals and tests from them (`pipeline_lib.evaluate.result.selections`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Formatter
from typing import NamedTuple

#: Config ``evaluate.precision``. With ``paper`` a CLIP that was not fine-tuned computes in fp16 where `Kind.clip_load`.
EVALUATION_PRECISIONS = ("fp32", "paper")


@dataclass(frozen=True)
class Metric:
    """One number of a benchmark, or one for each group of its items; by default the share of right items in percent."""

    dataset: str  # its name; {benchmark} is the benchmark's, any other {COLUMN} makes it a number per value of that
    name: str = "accuracy"
    outcome: str | None = "correct"  # column with what is averaged, truth values or numbers; None: no mean over items
    at_most: int | None = None  # an item is right whose outcome, a rank, is at most this
    where: Mapping[str, tuple] = field(default_factory=dict)  # column -> values: other items do not count
    mean_over: str | None = None  # column with groups: the plain mean over groups of each group's mean over its items
    prompt: str | None = None  # like `dataset`
    clip: Mapping[str, int] = field(default_factory=dict)  # column of `dataset` -> larger values count as this one
    in_order: bool = False  # the groups of `dataset` come as the items do, and not sorted by value
    percent: bool = True  # the mean, from 0 to 1, is given in percent
    table: str | None = None  # of the paper stage, if it is not the kind's

    @property
    def columns(self) -> list[str]:
        """The columns by whose values the number is split."""
        named = (name for text in (self.dataset, self.prompt or "") for _, name, _, _ in Formatter().parse(text))
        return [name for name in named if name and name != "benchmark"]

    @property
    def scale(self) -> int:
        """What the mean over items is multiplied by."""
        return 100 if self.percent else 1


class Choice(NamedTuple):
    """An item that offers an image several captions, or a caption several images: the candidates are all pairs."""

    columns: dict  # what names and describes it in the file of items; `key` is that of its (right) image
    images: list[str]  # keys
    captions: list[str]
    right: tuple[int, ...] = (0,)  # candidates, each of which must beat all others


@dataclass(frozen=True)
class Kind:
    """A kind of benchmark: how its annotations are read and scored, and what is measured."""

    name: str
    metrics: tuple[Metric, ...]
    table: str = "negation"  # of the paper stage
    item: tuple[str, ...] = ("item", "key")  # columns that together name an item
    together: str | None = None  # column of what was drawn, where several items are of one: intervals resample these
    varies: tuple[str, ...] = ()  # columns that differ between models, besides scores (floats) and outcomes
    tie_counts: bool = False  # an item is right where the right candidate and another score the same
    clip_load: bool = False  # published numbers of CLIP are of one as `clip.load` gives it on a GPU: in fp16
    # Of the kinds of config evaluate.benchmarks:
    read: Callable[[Path], list[Choice]] | None = None  # one file of annotations
    parts: Mapping[str, str] = field(default_factory=dict)  # column `part` -> file in a folder; none: a single file
    counted: str = "items"  # what the published number of items counts
    scorer: str = "pipeline_lib.evaluate.benchmark:score_choices"  # MODULE:FUNCTION, rows -> items
    scores: tuple[str, ...] = ()  # a column per candidate; none: score_right (the lowest), score_other (the highest)
    text_scores: tuple[str, ...] = ()  # a column per pair of captions, where these are compared without the image too
    cut: bool = False  # captions that are too long for CLIP are cut; else they are an error
    chooses_captions: bool = False  # each item offers captions of one image: a model that sees no image is scored too

    @property
    def outcomes(self) -> set[str]:
        """Columns of the items from which the metrics come; none where they are of all texts together."""
        return {metric.outcome for metric in self.metrics if metric.outcome}

    @property
    def without_image(self) -> "Kind":
        """What of it a model that sees no image can be measured on: the choice of captions."""
        chosen = tuple(metric for metric in self.metrics if metric.outcome == "correct")
        return replace(self, metrics=chosen, text_scores=())

    def prefers(self, right: object, other: object) -> object:
        """Return where the right candidate's score wins against the other's, of two arrays, by the rule for ties."""
        return right >= other if self.tie_counts else right > other
