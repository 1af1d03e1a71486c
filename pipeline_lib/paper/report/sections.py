"""The sections of the report page, each from what its stage left behind."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from pipeline_lib.jobs.files import read_json
from pipeline_lib.paper.figures import fetched
from pipeline_lib.paper.figures.composition import read_composition
from pipeline_lib.paper.outputs import CLAIMS, FETCH, FIGURES, REASONS, VERDICTS, Exhibit
from pipeline_lib.paper.report import provenance
from pipeline_lib.paper.report.gallery import Group
from pipeline_lib.paper.report.page import Cell, Table, data_uri, from_layout, interval, number, plain
from pipeline_lib.paper.report.runtimes import clock, read_times
from pipeline_lib.paper.tables import claims
from pipeline_lib.paper.tables.layout import BOLD, INTERVALS, Layout

BELOW = "Below a number: its 95 % bootstrap interval over items."

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
    title : str
    pairs : list of (str, str)
        Keys and values.
    caption : str
    tables : list of Part
    notes : list of str
    csv : str
        A data URI; empty where there is no file to take along.
    figures : list of (Exhibit, str)
        With their data URIs.
    galleries : dict of str to list of Group
        By backbone.
    folded : dict of str to list of (str, str)
        Pairs of key and value, by the title that unfolds them.
    source : str
        The configuration as text.
    """

    name: str
    title: str
    pairs: list[tuple[str, str]] = field(default_factory=list)
    caption: str = ""
    tables: list[Part] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    csv: str = ""
    figures: list[tuple[Exhibit, str]] = field(default_factory=list)
    galleries: dict[str, list[Group]] = field(default_factory=dict)
    folded: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    source: str = ""


def table_section(name: str, arranged: Layout, folder: str, figures: str) -> Section:
    """Return one table of the paper with its figures."""
    notes = [note for note in arranged.notes if note != INTERVALS]
    return Section(
        name,
        arranged.item.title,
        caption=arranged.item.caption,
        tables=[Part(name, from_layout(arranged))],
        notes=notes
        + [BELOW] * bool(arranged.low.notna().to_numpy().any())
        + [BOLD] * bool(arranged.best.to_numpy().any()),
        csv=data_uri(_content(Path(folder) / f"{name}.csv"), "text/csv"),
        figures=_embedded(name, figures),
    )


def claims_section(tables: pd.DataFrame, folder: str) -> Section:
    """Return what the paper claims and whether this run shows it."""
    judged = claims.judge(tables)
    rows = []
    for row, (words, backbone, model, statistic, value, low_to_high, bound, verdict) in zip(
        judged.itertuples(index=False), claims.text_rows(judged), strict=True
    ):
        rows.append([
            *(Cell(text, heading=True) for text in (words, backbone, model)),
            Cell(verdict, verdict=verdict),
            Cell(value, row.value, interval=low_to_high),
            Cell(bound),
            Cell(statistic),
        ])  # fmt: skip
    headings = ["claim", "backbone", "model", "verdict", "value", "bound", "of"]
    csv = data_uri(_content(Path(folder) / "claims.csv"), "text/csv")
    claimed = Part("claims", Table(headings, 3, rows), when_empty="This run has no number that a claim is about.")
    return Section("claims", CLAIMS.title, caption=CLAIMS.caption, tables=[claimed], csv=csv)


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
        names = (row.model, row.backbone, row.dataset, row.prompt if pd.notna(row.prompt) else "", row.metric)
        verdict = row.verdict + (f": {REASONS[row.reason]}" if pd.notna(row.reason) else "")
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
        caption="A number is reproduced if the published one lies within its interval, widened by that number's own "
        "rounding (±0.5 where it is read off a plot). Numbers of other backbones, data or prompts are not compared.",
        tables=[
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
    largest_first = sorted(written["rows"].items(), key=lambda entry: -entry[1])
    rows = [[name.replace("_", " "), count] for name, count in largest_first]
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
        [*(Cell(text, heading=True) for text in texts), number(count), number(share, "{:.2f}")]
        for *texts, count, share in fetched.failure_rows(summary)
    ]
    content = Table(fetched.HEADINGS, 3, rows)
    return Section(
        "fetch",
        FETCH.title,
        caption=FETCH.caption,
        tables=[Part("fetch", content, when_empty="Every link has an image.")],
        notes=fetched.notes(summary),
        csv=data_uri(fetched.to_csv(summary).encode(), "text/csv"),
        figures=_embedded("fetch", figures),
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
        pairs=provenance.code_and_machine(),
        folded={provenance.named(path): provenance.facts(path) for path in runs}
        | {"installed packages": provenance.packages()},
        source=provenance.as_yaml(config),
    )  # fmt: skip


def _embedded(name: str, figures: str) -> list[tuple[Exhibit, str]]:
    """Return the figures of a section with their sources."""
    return [
        (FIGURES[figure], data_uri(_content(Path(figures) / f"{figure}.svg"), "image/svg+xml"))
        for figure in SECTIONS[name]
    ]


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; rules tables and figures make it")
    return path.read_bytes()
