"""The sections of the report page, each from what its stage left behind."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from pipeline_lib.files import read_json
from pipeline_lib.paper import claims, fetched, provenance
from pipeline_lib.paper.composition import read_composition
from pipeline_lib.paper.gallery import Group
from pipeline_lib.paper.layout import BOLD, Layout
from pipeline_lib.paper.outputs import CLAIMS, FETCH, FIGURES, REASONS, VERDICTS, Item
from pipeline_lib.paper.page import Cell, Table, data_uri, from_layout, interval, number, plain
from pipeline_lib.paper.runtimes import clock, read_times

#: Figures that belong to each section.
SECTIONS = {
    "headline": ("intro",),
    "ccneg": ("score-examples",),
    "ccneg-by-word": ("ccneg-by-word",),
    "ccneg-by-pairs": ("ccneg-by-pairs",),
    "zeroshot": ("zeroshot-gain", "zeroshot-dots", "zeroshot-radar"),
    "negated-prompt": ("negated-prompt",),
    "sugarcrepe": (),
    "negation": (),
    "ablation": ("ablation", "training-curves"),
    "embeddings": ("embeddings",),
    "data": ("data-statistics",),
    "fetch": ("fetch-failures",),
}


@dataclass
class Part:
    """A table of a section; `folded` is the line behind which it hides."""

    name: str
    content: Table
    heading: str = ""
    folded: str = ""
    when_empty: str = "This run has no model for this table."


@dataclass
class Section:
    """What the template shows under one heading, in the order of the fields.

    Attributes
    ----------
    name : str
        Of its anchor and its CSV file.
    title, caption : str
    tables : list of Part
    notes : list of str
    csv : str
        A data URI; empty where there is no file to take along.
    figures : list of (Item, str)
        With their data URIs.
    galleries : dict of str to list of Group
        By backbone.
    facts : list of (str, list of (str, str))
        Pairs of key and value under a title to unfold them by; without a title they are shown.
    source : str
        The configuration as text.
    """

    name: str
    title: str
    caption: str = ""
    tables: list[Part] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    csv: str = ""
    figures: list[tuple[Item, str]] = field(default_factory=list)
    galleries: dict[str, list[Group]] = field(default_factory=dict)
    facts: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)
    source: str = ""


def table_section(name: str, arranged: Layout, folder: str, figures: str) -> Section:
    """Return one table of the paper with its figures."""
    return Section(
        name,
        arranged.item.title,
        arranged.item.caption,
        [Part(name, from_layout(arranged))],
        [*arranged.notes, *([BOLD] if arranged.best.to_numpy().any() else [])],
        data_uri(_content(Path(folder) / f"{name}.csv"), "text/csv"),
        _embedded(name, figures),
    )


def claims_section(tables: pd.DataFrame, folder: str) -> Section:
    """Return what the paper claims and whether this run shows it."""
    rows = [
        [Cell(text, heading=place < 3, verdict=text) for place, text in enumerate(row)]
        for row in claims.text_rows(claims.judge(tables))
    ]
    content = Table(claims.HEADINGS, 3, rows)
    csv = data_uri(_content(Path(folder) / "claims.csv"), "text/csv")
    return Section("claims", CLAIMS.title, CLAIMS.caption, [Part("claims", content)], csv=csv)


def beside_the_paper(tables: pd.DataFrame) -> Section:
    """Return every number that has a published one, and how many have none and why."""
    published = tables[tables.published.notna()]
    headings = [
        "model",
        "backbone",
        "dataset",
        "prompt",
        "metric",
        "value",
        "published",
        "from",
        "difference",
        "verdict",
    ]
    rows = []
    for row in published.itertuples(index=False):
        names = (row.model, row.backbone, row.dataset, row.prompt or "", row.metric)
        verdict = row.verdict + (f": {REASONS[row.reason]}" if row.reason else "")
        rows.append([
            *(Cell(text, heading=place < 2) for place, text in enumerate(names)),
            number(row.value, "{:.1f}", interval=interval(row.low, row.high, "{:.1f}")),
            number(row.published, "{:.1f}"),
            Cell(row.published_provenance),
            number(row.difference, "{:+.1f}"),
            Cell(verdict, verdict=row.verdict),
        ])  # fmt: skip
    found = tables.groupby(["verdict", tables.reason.fillna("")]).size()
    order = sorted(found.index, key=lambda key: (VERDICTS.index(key[0]), -found[key]))
    counted = plain(
        ["verdict", "why", "numbers"],
        2,
        [[verdict, REASONS.get(reason, ""), int(found[verdict, reason])] for verdict, reason in order],
    )
    return Section(
        "beside",
        "Beside the paper",
        "A number is reproduced if the published one lies within its interval, widened by the published number's own "
        "rounding (±0.5 where it is read off a plot). Numbers of other backbones, data or prompts are not compared.",
        [
            Part("verdicts", counted),
            Part("published", Table(headings, 2, rows), "Numbers with a published one beside them",
                 when_empty="No number of this run has a published one for the same cell."),
        ],
    )  # fmt: skip


def gallery_section(galleries: dict[str, list[Group]], seed: int) -> Section:
    """Return items to look at."""
    return Section(
        "examples",
        "Examples",
        notes=[
            "CC-Neg's evaluation split: caption, negated caption, and 100 × the cosine of the image with each by "
            f"every model of the backbone. Drawn at random with seed {seed}, but for those that changed most."
            if galleries
            else "No backbone of this run has both a CLIP and a CoN-CLIP."
        ],
        galleries=galleries,
    )


def data_section(splits: dict[str, str], index: str, captions: list[str], figures: str) -> Section:
    """Return what CC-Neg is made of."""
    composition, written = read_composition(splits, index, captions), read_json(index)
    rows = [[name.replace("_", " "), count] for name, count in written["rows"].items()]
    tables = [Part("rows", plain(["rows", "number"], 1, rows))]
    for counted, name, heading in (
        (composition.words, "words", "negation word"),
        (composition.pairs, "pairs", "predicate-object pairs"),
    ):
        cells = [[str(value), *map(int, counted.loc[value])] for value in counted.index]
        tables.append(Part(name, plain([heading, *counted.columns], 1, cells), f"Samples by {heading}"))
    reasons = [
        [Cell(reason, heading=True), number(count), number(100 * count / composition.rows, "{:.2f}")]
        for reason, count in composition.left_out.items()
    ]
    shards = [[shard["name"], shard["bytes"], shard["sha256"]] for shard in written["shards"]]
    tables += [
        Part("left-out", Table(["reason", "rows", "% of all"], 1, reasons), "Rows that are no sample",
             when_empty="Every row is a sample."),
        Part("shards", plain(["shard", "bytes", "sha256"], 1, shards), folded="shards and their hashes"),
    ]  # fmt: skip
    return Section("data", "CC-Neg of this run", tables=tables, figures=_embedded("data", figures))


def fetch_section(summary: dict, figures: str) -> Section:
    """Return what became of the links."""
    rows = [
        [*(Cell(text, heading=place < 3) for place, text in enumerate(row[:3])),
         *(Cell(text, float(text.replace(",", ""))) for text in row[3:])]
        for row in fetched.failure_rows(summary)
    ]  # fmt: skip
    content = Table(fetched.HEADINGS, 3, rows)
    return Section(
        "fetch",
        FETCH.title,
        FETCH.caption,
        [Part("fetch", content, when_empty="Every link has an image.")],
        fetched.notes(summary),
        data_uri(fetched.to_csv(summary).encode(), "text/csv"),
        _embedded("fetch", figures),
    )


def times_section(folder: str) -> Section:
    """Return how long the jobs took and what they needed."""
    times = read_times(folder)
    rows = [
        [
            Cell(time.rule, heading=True),
            number(time.jobs),
            Cell(clock(time.seconds), time.seconds),
            Cell(clock(time.longest), time.longest),
            Cell(clock(time.cpu_seconds), time.cpu_seconds),
            number(time.peak_mb),
        ]
        for time in times
    ]
    headings = ["rule", "jobs", "time", "longest job", "processor time", "peak memory (MB)"]
    total = f"All jobs one after the other: {clock(sum(time.seconds for time in times))}. "
    return Section(
        "times",
        "Run times and resources",
        tables=[Part("times", Table(headings, 1, rows), when_empty="No job of this run has left its time yet.")],
        notes=[total + "Of each job its last run; jobs that ran beside each other slow each other down."],
    )


def provenance_section(config: dict, runs: list[str], weights: list[str]) -> Section:
    """Return what the results come from."""
    hashes = plain(["weights", "bytes", "sha256"], 1, [list(row) for row in provenance.weights(weights)])
    files = plain(["named at", "file", "bytes", "sha256"], 2, [list(row) for row in provenance.inputs(config)])
    return Section(
        "provenance",
        "Provenance",
        tables=[
            Part("inputs", files, "Files from outside",
                 when_empty="None: what this run starts from, it makes itself or this repository has it."),
            Part("weights", hashes, "Weights", when_empty="This run has no weights."),
        ],
        facts=[
            ("", provenance.code_and_machine()),
            *((provenance.named(path), provenance.facts(path)) for path in runs),
            ("installed packages", provenance.packages()),
        ],
        source=provenance.as_yaml(config),
    )  # fmt: skip


def _embedded(name: str, figures: str) -> list[tuple[Item, str]]:
    """Return the figures of a section with their sources."""
    return [
        (FIGURES[figure], data_uri(_content(Path(figures) / f"{figure}.svg"), "image/svg+xml"))
        for figure in SECTIONS[name]
    ]


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; rules tables and figures make it")
    return path.read_bytes()
