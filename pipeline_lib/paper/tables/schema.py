"""The tidy table ``results/tables.parquet``: its columns, their types and order, and how to read it back."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_lib.jobs.files import read_parquet, write_parquet
from pipeline_lib.paper.outputs import REASONS, TABLES, VERDICTS

#: Column -> (Arrow type, may be null, meaning). The meanings travel in the Parquet schema.
COLUMNS = {
    "table": (pa.string(), False, "Table of the paper: " + ", ".join(TABLES)),
    "family": (
        pa.string(),
        False,
        "CLIP (not fine-tuned), CoN-CLIP, another method, text only, or a family scored by subtraction",
    ),
    "model": (pa.string(), False, "Model; where the row is a mean over seeds, the name without its -sN"),
    "backbone": (pa.string(), False, "CLIP architecture that the model starts from; none for text only"),
    "loss": (pa.string(), True, "Training loss, as in the sheet of experiments; null where not fine-tuned"),
    "negatives": (pa.string(), True, "Source of the negated captions: ccneg or crepe; null where not fine-tuned"),
    "seed": (pa.int64(), True, "Seed of the run; null where not fine-tuned and in means over seeds"),
    "seeds": (pa.int64(), False, "Number of runs that the value averages"),
    "dataset": (pa.string(), False, "Dataset or part of one; mean and zero-shot/mean are plain means over datasets"),
    "prompt": (pa.string(), True, "plain, negated, bare, photo or ensemble; null for delta and where there is none"),
    "metric": (
        pa.string(),
        False,
        "accuracy, recall@1, recall@5, top1 or mean_per_class in percent; gain (over the CLIP of the same backbone) or "
        "delta (plain - negated) in points; cosine (mean, from -1 to 1) or dimensions of text embeddings; of truth "
        "tables caption, image and all_four in percent, text_effect, image_effect and interaction in thousandths of "
        "the cosine; average_precision in percent",
    ),
    "value": (pa.float64(), False, "The number"),
    "n": (pa.int64(), False, "Items behind the value; for a mean over datasets, the items of all of them"),
    "low": (pa.float64(), True, "Lower end of the 95 % bootstrap interval over items; null for embeddings"),
    "high": (pa.float64(), True, "Upper end of it; of a mean over seeds: over items, with their mean over seeds"),
    "std": (pa.float64(), True, "Standard deviation over seeds; null where the row is of one model"),
    "p": (
        pa.float64(),
        True,
        "McNemar's test against the CLIP of the same backbone on the same items, two-sided, corrected by Holm's method "
        "for all p of the table; null for CLIP itself, for means over several sets and for differences",
    ),
    "published": (pa.float64(), True, "The published number for the same cell; null where there is none"),
    "published_provenance": (
        pa.string(),
        True,
        "How the published number is known: paper, radar, quoted, replication",
    ),
    "published_source": (pa.string(), True, "Who published it"),
    "difference": (pa.float64(), True, "value - published"),
    "verdict": (pa.string(), False, "Beside the published number: " + ", ".join(VERDICTS)),
    "reason": (pa.string(), True, "Why it is not comparable: " + "; ".join(REASONS) + ". Null where it is"),
}

KEY = ["table", "model", "seed", "dataset", "prompt", "metric"]


def schema(run: str) -> pa.Schema:
    """Return the Arrow schema of the tidy table; its metadata names the run and each field's describes the column."""
    fields = [
        pa.field(name, type_, nullable=nullable, metadata={"description": meaning})
        for name, (type_, nullable, meaning) in COLUMNS.items()
    ]
    return pa.schema(fields, metadata={"run": run})


def write_tables(path: str | Path, tables: pd.DataFrame, run: str) -> None:
    """Write the tidy table of run `run`, such as ``miniature``: of `tables` the columns in `COLUMNS`."""
    write_parquet(path, tables[list(COLUMNS)], schema(run))


def read_tables(path: str | Path) -> tuple[pd.DataFrame, str]:
    """Read a tidy table: its `COLUMNS`, `seed` as nullable ``Int64``, missing text as ``None``; and the run's name."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such table; `python -m pipeline_lib.paper.tables` makes it")
    tables = read_parquet(path)
    found, metadata = list(tables.columns), pq.read_schema(path).metadata or {}
    if found != list(COLUMNS) or b"run" not in metadata:
        raise ValueError(
            f"{path}: expected the columns {', '.join(COLUMNS)} and the run's name, found {', '.join(found)}; "
            "make it again with `python -m pipeline_lib.paper.tables`"
        )
    text = [name for name, (type_, *_) in COLUMNS.items() if type_ == pa.string()]
    tables = tables.astype({"seed": "Int64"} | dict.fromkeys(text, object))
    tables[text] = tables[text].where(tables[text].notna(), None)
    return tables, metadata[b"run"].decode()
