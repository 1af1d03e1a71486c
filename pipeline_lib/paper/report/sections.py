"""The sections of the report page, each from what its stage left behind.

Rows of tables hold text, numbers (None and NaN are empty) and `Cell`, where there is more to say of a number.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import yaml

from pipeline_lib.fetch import FAILURES
from pipeline_lib.jobs.files import read_json, sha256
from pipeline_lib.paper.figures.dataset import read_composition, read_fetch_summary
from pipeline_lib.paper.outputs import FETCH, FIGURES, REASONS, TABLE_ITEMS, VERDICTS, Exhibit
from pipeline_lib.paper.report import provenance
from pipeline_lib.paper.report.examples import Group
from pipeline_lib.paper.tables import claims
from pipeline_lib.paper.tables.layout import INTERVALS, Layout
from pipeline_lib.paper.tables.text import BOLD, EMPTY

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
    "truth-table": ("truth-table",),
    "learned": ("learned",),
    "ablation": ("ablation", "training-curves"),
    "embeddings": ("embeddings",),
    "data": ("data-statistics",),
    "fetch": ("fetch-failures",),
}


class Cell(NamedTuple):
    """A cell of a table: a number sorts by `value`, `verdict` (``reproduced``, ``holds``, ...) colours it."""

    text: str
    value: float | None = None
    bold: bool = False
    interval: str = ""
    published: str = ""
    verdict: str = ""


@dataclass
class Table:
    """A table of a section, sorted by a click on a heading."""

    name: str
    headings: list[str]
    rows: list[list]
    texts: int = 1  # columns from the left that name their row
    title: str = ""
    folded: str = ""  # the line behind which it hides
    when_empty: str = EMPTY


@dataclass
class Section:
    """What the template shows: a title, then in the order of the fields; the caption follows the tables.

    `name` is that of the anchor, of the CSV file and in `SECTIONS`, by which `figures` are added.
    """

    name: str
    about: Exhibit
    pairs: list[tuple[str, str]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    csv: str = ""
    figures: list[tuple[Exhibit, bytes]] = field(default_factory=list)
    examples: dict[str, list[Group]] = field(default_factory=dict)  # by backbone
    folded: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # by the line that unfolds them
    source: str = ""  # the configuration


def cell(value: object, pattern: str = "{:,.0f}", **more: object) -> Cell:
    """Return the cell of a text or number; `more` is what else there is to say of a number."""
    if isinstance(value, Cell):
        return value
    if isinstance(value, str):
        return Cell(value)
    return Cell("") if pd.isna(value) else Cell(written(pattern, value), float(value), **more)


def written(pattern: str, value: float) -> str:
    """Return a number as text, with a minus sign that is one."""
    return pattern.format(value).replace("-", "\N{MINUS SIGN}")


def _interval(low: float, high: float, pattern: str) -> str:
    return "" if pd.isna(low) or pd.isna(high) else f"{written(pattern, low)} to {written(pattern, high)}"


def table_section(name: str, arranged: Layout) -> Section:
    """Return one table of the paper."""
    rows = []
    for index, pattern, cells in arranged.rows():
        rows.append([*index])
        for one in cells:
            more = {"bold": bool(one.best), "interval": _interval(one.low, one.high, pattern)}
            more |= {"published": cell(one.published, pattern).text, "verdict": one.verdict or ""}
            rows[-1].append(cell(one.value, pattern, **more))
    notes = [note for note in arranged.notes if note != INTERVALS]
    notes += [BELOW] if arranged.cells["low"].notna().any(axis=None) else []
    notes += [BOLD] if arranged.best.any(axis=None) else []
    table = Table(name, arranged.headings(), rows, arranged.values.index.nlevels)
    return Section(name, TABLE_ITEMS[name], tables=[table], notes=notes, csv=arranged.to_csv())


def claims_section(tables: pd.DataFrame) -> Section:
    """Return what the paper claims and whether this run shows it."""
    judged = claims.judge(tables)
    rows = [
        [words, backbone, model, Cell(verdict, verdict=verdict), Cell(text, value, interval=low_to_high), bound, number]
        for value, (words, backbone, model, number, text, low_to_high, bound, verdict) in zip(
            judged.value, claims.text_rows(judged), strict=True
        )
    ]
    headings = ["claim", "backbone", "model", "verdict", "value", "bound", "number"]
    empty = "This run has none of the numbers that the claims are about."
    csv = claims.claims_files(judged)["csv"]
    claimed = Table("claims", headings, rows, 3, when_empty=empty)
    return Section("claims", TABLE_ITEMS["claims"], tables=[claimed], csv=csv)


def beside_the_paper(tables: pd.DataFrame) -> Section:
    """Return every number that has a published one, and how many have none and why."""
    tables = tables.fillna({"prompt": "", "reason": ""})
    headings = ["model", "backbone", "dataset", "prompt", "metric", "value", "published", "from", "difference",
                "verdict"]  # fmt: skip
    rows = []
    for row in tables[tables.published.notna()].itertuples(index=False):
        verdict = row.verdict + (f": {REASONS[row.reason]}" if row.reason else "")
        rows.append([
            row.model, row.backbone, row.dataset, row.prompt, row.metric,
            cell(row.value, "{:.1f}", interval=_interval(row.low, row.high, "{:.1f}")), cell(row.published, "{:.1f}"),
            row.published_provenance, cell(row.difference, "{:+.1f}"), Cell(verdict, verdict=row.verdict),
        ])  # fmt: skip
    counts = tables.groupby(["verdict", "reason"]).size()
    order = sorted(counts.index, key=lambda key: (VERDICTS.index(key[0]), -counts[key]))
    counted = [[verdict, REASONS.get(reason, ""), counts[verdict, reason]] for verdict, reason in order]
    about = Exhibit(
        "Comparison with the paper",
        "A number is reproduced if the published one lies within its 95 % interval, widened by the rounding of the "
        "published one (±0.5 where it was read off a plot). Numbers of other backbones, data or prompts are not "
        "compared.",
    )
    none = "No number of this run has a published counterpart."
    published = Table("published", headings, rows, 2, "Numbers that are published too", when_empty=none)
    return Section("beside", about, tables=[Table("verdicts", ["verdict", "why", "numbers"], counted, 2), published])


def examples_section(examples: dict[str, list[Group]], seed: int) -> Section:
    """Return items to look at."""
    drawn = (
        "Items of CC-Neg's evaluation split: caption, negated caption, and 100 × the cosine of the image with each by "
        "every model of the backbone. ✓ and ✗ stand at the caption that the model chose, right or wrong. Items are "
        f"drawn at random with seed {seed}, except those that changed most."
    )
    none = "No backbone of this run has both a CLIP and a CoN-CLIP."
    return Section("examples", Exhibit("Examples"), notes=[drawn if examples else none], examples=examples)


def data_section(splits: dict[str, str], index: str, captions: list[str]) -> Section:
    """Return what CC-Neg is made of."""
    composition, content = read_composition(splits, index, captions), read_json(index)
    largest_first = sorted(content["rows"].items(), key=lambda entry: -entry[1])
    counted = [[name.replace("_", " "), count] for name, count in largest_first]
    tables = [Table("rows", ["rows", "number"], counted)]
    for name, heading in {"words": "negation word", "pairs": "predicate-object pairs"}.items():
        samples = getattr(composition, name)
        rows = [[str(value), *counts] for value, *counts in samples.itertuples()]
        tables.append(Table(name, [heading, *samples.columns], rows, title=f"Samples by {heading}"))
    left_out, total = composition.left_out.items(), composition.rows
    reasons = [[reason, count, cell(100 * count / total, "{:.2f}")] for reason, count in left_out]
    shards = [[shard["name"], shard["bytes"], shard["sha256"]] for shard in content["shards"]]
    title, none = "Rows that were left out", "No row was left out."
    tables += [
        Table("left-out", ["reason", "rows", "% of all"], reasons, title=title, when_empty=none),
        Table("shards", ["shard", "bytes", "sha256"], shards, folded="shards and their hashes"),
    ]
    return Section("data", Exhibit("CC-Neg of this run"), tables=tables)


def fetch_section(path: str) -> Section:
    """Return what became of the links, by the summary of the fetch stage."""
    summary = read_fetch_summary(path)
    captions, shared, failures = summary["captions"], summary["duplicates"], summary["failures"]
    rows = [
        [failure["label"], FAILURES[failure["failure"]], "pointless" if failure["permanent"] else "may help",
         failure["rows"], cell(100 * failure["rows"] / summary["rows"], "{:.2f}")]
        for failure in failures
    ]  # fmt: skip
    headings = ["failure", "what it means", "another try", "rows", "% of all"]
    notes = [
        f"{summary['successes']:,} of {summary['rows']:,} rows have an image "
        f"({summary['successes'] / max(summary['rows'], 1):.1%}).",
        f"The captions file is {captions['file']}, {captions['bytes']:,} bytes, sha256 {captions['sha256']}.",
        f"{shared['rows']:,} rows share their image with another row; {shared['placeholder_rows']:,} of these images "
        "are a host's placeholder for one that is gone. They are kept; fetch/duplicates.parquet lists them.",
    ]
    listed = pd.DataFrame(failures, columns=["label", "permanent", "rows"]).rename(columns={"label": "failure"})
    table = Table("fetch", headings, rows, 3, when_empty="Every link has an image.")
    return Section("fetch", FETCH, tables=[table], notes=notes, csv=listed.to_csv(index=False, lineterminator="\n"))


def times_section(folder: str) -> Section:
    """Return how long the jobs took and what they needed."""
    times = provenance.read_times(folder)
    rows = [
        [rule, jobs, *(Cell(provenance.duration(seconds), seconds) for seconds in times_s), peak_mb]
        for rule, jobs, *times_s, peak_mb in times.itertuples(index=False)
    ]
    headings = ["rule", "jobs", "time", "longest job", "processor time", "peak memory (MB)"]
    table = Table("times", headings, rows, when_empty="No job of this run has left its time yet.")
    total = f"Sum over all jobs: {provenance.duration(times.seconds.sum())}. "
    note = total + "Of each job its last run counts. Jobs that ran at the same time slow each other down."
    return Section("times", Exhibit("Run times and resources"), tables=[table], notes=[note])


def provenance_section(config: dict, runs: list[str], weights: list[str]) -> Section:
    """Return what the results come from."""
    hashes = [[provenance.stage_and_model(path), Path(path).stat().st_size, sha256(path)] for path in weights]
    return Section(
        "provenance",
        Exhibit("Provenance"),
        pairs=provenance.code_and_machine(),
        tables=[
            Table("inputs", ["option", "file", "bytes", "sha256"], provenance.inputs(config), 2, "Files from outside",
                  when_empty="None: this run made its data itself, or this repository has them."),
            Table("weights", ["weights", "bytes", "sha256"], hashes, title="Weights",
                  when_empty="This run has no weights."),
        ],
        folded={provenance.stage_and_model(path): provenance.read_record(path) for path in runs}
        | {"installed packages": provenance.packages()},
        source=yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=110),
    )  # fmt: skip


def read_figures(name: str, folder: str) -> list[tuple[Exhibit, bytes]]:
    """Return the figures of a section."""
    found = [(FIGURES[figure], Path(folder) / f"{figure}.svg") for figure in SECTIONS.get(name, ())]
    for _, path in found:
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; rule paper_figures makes it")
    return [(figure, path.read_bytes()) for figure, path in found]
