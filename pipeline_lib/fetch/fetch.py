"""Fetch the images of one part of a captions file.

::

    python -m pipeline_lib.fetch.fetch --captions Train_GCC-training.tsv --part 0 --parts 100 \\
        --images 000.tar --outcomes 000.parquet --image-size 256 --user-agent "conclip/1.0 (+mailto:you@example.org)" \\
        --timeout-s 20 --max-bytes 20000000 --max-pixels 100000000 --max-redirects 5 --attempts 3 --backoff-s 2 \\
        --connections 64 --connections-per-host 8 --threads 2

(about 1,000 small images per second and core from a near host; on the open web the hosts set the pace). Outputs:

- a WebDataset tar with ``KEY.jpg`` and ``KEY.json`` (`caption`, `url`, `status`, `width`, `height`, `original_width`,
  `original_height`, and `sha256` of the image as downloaded) for every image that could be had, in row order;
- a Parquet table with one row per row of the part, in order: `key`, `url`, `status` (``success`` or ``failed``),
  `failure` (null or one of `failures.FAILURES`), `permanent` (whether asking again is pointless), `http_code` (of the
  last answer), `attempts`, `bytes` (of a body that came whole), `final_host` (the last one that was asked).

The same answers give the same bytes in both. The deadline ``--timeout-s`` is for one attempt with all its redirects.
A transient failure is tried again at once, at the end of its host's line, and then after ``--backoff-s``, twice that,
and so on, up to ``--attempts`` in all. A 429, or a 503 with ``Retry-After``, is never tried again at once, and not
before what the header asks for or, if that is sooner, four times ``--timeout-s``.
"""

import argparse
import asyncio
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa

from pipeline_lib.cc3m import Row, read_rows
from pipeline_lib.command import run
from pipeline_lib.fetch.addresses import parse_connect_to
from pipeline_lib.fetch.part import PartFetcher
from pipeline_lib.fetch.settings import Settings
from pipeline_lib.fetch.spool import Spool
from pipeline_lib.files import write_parquet
from pipeline_lib.tars import encode_json, write_samples

SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("url", pa.string()),
        ("status", pa.string()),
        ("failure", pa.string()),
        ("permanent", pa.bool_()),
        ("http_code", pa.int32()),
        ("attempts", pa.int32()),
        ("bytes", pa.int64()),
        ("final_host", pa.string()),
    ]
)


def fetch_part(rows: list[Row], settings: Settings, images: Path, outcomes: Path, what: str = "fetch") -> pd.DataFrame:
    """Fetch the images of `rows`, write both outputs and return the outcome table.

    Parameters
    ----------
    rows : list of Row
        The part, in order.
    settings : Settings
        How.
    images, outcomes : Path
        The tar and the Parquet table.
    what : str
        What progress is reported under.

    Returns
    -------
    DataFrame
        The columns of `SCHEMA`.
    """
    images.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=images.parent) as file:
        spool = Spool(file)
        fetched = asyncio.run(PartFetcher(rows, settings, spool, what).fetch())

        def samples() -> Iterator[tuple[str, dict[str, bytes]]]:
            for row, outcome in zip(rows, fetched, strict=True):
                if outcome.place is not None:
                    facts = {"caption": row.caption, "url": row.url, "status": outcome.status, **outcome.facts}
                    yield row.key, {"jpg": spool.read(outcome.place), "json": encode_json(facts)}

        write_samples(images, samples())
    columns = SCHEMA.names
    frame = pd.DataFrame(
        [(row.key, row.url, *outcome[: len(columns) - 2]) for row, outcome in zip(rows, fetched, strict=True)],
        columns=columns,
        dtype=object,
    )
    write_parquet(outcomes, frame, SCHEMA)
    return frame


def summary(frame: pd.DataFrame, seconds: float) -> str:
    """Say how many rows of an outcome table have an image, and why the others have none."""
    successes = int((frame["status"] == "success").sum())
    lines = [
        f"rows {len(frame):,}, successes {successes:,} ({successes / max(len(frame), 1):.1%}), "
        f"{seconds:.1f} s, {successes / seconds:,.0f} images/s"
    ]
    counts = frame.groupby(["failure", "permanent"]).size().sort_values(ascending=False, kind="stable")
    lines += [
        f"  {failure} ({'permanent' if permanent else 'transient'}): {count:,}"
        for (failure, permanent), count in counts.items()
    ]
    return "\n".join(lines)


def _image_size(text: str) -> int | None:
    return None if text == "none" else int(text)


def main() -> None:
    """Fetch the part that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--captions", type=Path, required=True, help="captions file, as distributed")
    parser.add_argument("--part", type=int, required=True, help="which part, from 0")
    parser.add_argument("--parts", type=int, required=True, help="how many parts the file is split into")
    parser.add_argument("--images", type=Path, required=True, help="tar to write")
    parser.add_argument("--outcomes", type=Path, required=True, help="Parquet table to write")
    parser.add_argument("--image-size", type=_image_size, required=True, help="shortest side in pixels, or none")
    parser.add_argument("--user-agent", required=True, help="name and contact")
    parser.add_argument("--timeout-s", type=float, required=True, help="deadline of one attempt")
    parser.add_argument("--max-bytes", type=int, required=True, help="longest body")
    parser.add_argument("--max-pixels", type=int, required=True, help="largest image")
    parser.add_argument("--max-redirects", type=int, required=True, help="most redirects in one attempt")
    parser.add_argument("--attempts", type=int, required=True, help="how often to ask while it fails transiently")
    parser.add_argument("--backoff-s", type=float, required=True, help="wait before the second repetition")
    parser.add_argument("--connections", type=int, required=True, help="requests open at a time")
    parser.add_argument("--connections-per-host", type=int, required=True, help="requests open at a time to one host")
    parser.add_argument("--threads", type=int, required=True, help="threads that decode and resize")
    parser.add_argument("--connect-to", default=[], action="append", metavar="SUFFIX=ADDRESS:PORT")
    args = vars(parser.parse_args())
    args["connect_to"] = dict(map(parse_connect_to, args["connect_to"]))
    captions, images, outcomes = args.pop("captions"), args.pop("images"), args.pop("outcomes")
    part, parts = args.pop("part"), args.pop("parts")
    settings = Settings(**args)

    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # about images, thousands of them
    rows = list(read_rows(captions, part, parts))
    start = time.monotonic()
    frame = fetch_part(rows, settings, images, outcomes, f"fetch part {part} of {parts}")
    print(summary(frame, time.monotonic() - start))


if __name__ == "__main__":
    run(main)
