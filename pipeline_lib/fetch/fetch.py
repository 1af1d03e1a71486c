"""Fetch the images of one part of a captions file.

::

    python -m pipeline_lib.fetch.fetch --captions Train_GCC-training.tsv --part 0 --parts 100 \\
        --images 000.tar --outcomes 000.parquet --image-size 256 --user-agent "conclip/1.0 (+mailto:you@example.org)" \\
        --respect-robots true --timeout-s 15 --deadline-s 30 --max-bytes 20000000 --max-pixels 100000000 \\
        --max-redirects 5 --attempts 3 --backoff-s 2 --connections 64 --connections-per-host 4 \\
        --requests-per-second-per-host 10 --max-crawl-delay-s 10 --breaker-failures 5 --threads 2

(about 1,000 small images per second and core from a near host; on the open web the hosts set the pace). Outputs:

- a WebDataset tar with ``KEY.jpg`` and ``KEY.json`` (`caption`, `url`, `status`, `width`, `height`, `original_width`,
  `original_height`, `sha256` of the image as downloaded, and `crc32` of it as stored) for every image that could be
  had, in row order;
- a Parquet table with one row per row of the part, in order: `key`, `url`, `status` (``success`` or ``failed``),
  `failure` (null or one of `failures.FAILURES`), `permanent` (whether asking again is pointless), `http_code` (of the
  last answer), `attempts`, `bytes` (of a body that came whole), `final_host` (the last one that was asked), `sha256`
  (of the image as downloaded; null for a failure), `milliseconds` (how long the requests took, waits between them not
  counted).

The same answers give the same bytes in the tar and the same values in the table, but for `milliseconds`, which is a
measurement. (Hosts that stop answering are the exception: which of their rows were asked before that was noticed, and
how often, depends on timing; all of them fail transiently.) An attempt with all its redirects may take ``--timeout-s``,
all attempts together ``--deadline-s``. A transient failure is tried again at once, at the end of its host's line, and
then after ``--backoff-s``, twice that, and so on, up to ``--attempts`` in all. After a 429, or a 503 with
``Retry-After``, the whole host is left alone for ``--backoff-s`` or what the header asks for, but no longer than four
times ``--timeout-s``. How hosts are treated beyond that: `schedule` and `robots`.

What is settled is kept in a `journal` beside the table, ``000.journal``, until both outputs stand: after a kill the
same command asks only for the rest. With ``--retry-failed`` and the outputs of an earlier run in place, it asks only
for what failed transiently there and takes over everything else; the earlier outputs stand until the new ones replace
them.
"""

import argparse
import asyncio
import hashlib
import json
import time
import warnings
from collections.abc import Collection, Iterator
from pathlib import Path

import pandas as pd

from pipeline_lib.fetch.addresses import parse_connect_to
from pipeline_lib.fetch.journal import Journal
from pipeline_lib.fetch.outcomes import Sizes, outcome_table, read_outcomes
from pipeline_lib.fetch.part import PartFetcher
from pipeline_lib.fetch.settings import Settings
from pipeline_lib.formats.cc3m import Part, Row
from pipeline_lib.formats.tars import check_seal, read_samples, sealed, write_samples
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import read_parquet

# The settings that an image or a lasting refusal depends on. What was fetched under others is not taken over; the rest
# says how patiently hosts are asked, and may change while a part is under way. workflow/rules/common.smk says the same.
DECISIVE = ("image_size", "respect_robots", "max_bytes", "max_pixels", "max_redirects")


def fetch_part(
    rows: Collection[Row],
    settings: Settings,
    images: Path,
    outcomes: Path,
    what: str = "fetch",
    retry_failed: bool = False,
) -> None:
    """Fetch the images of `rows` and write both outputs.

    Parameters
    ----------
    rows : collection of Row
        The part, in order. It is read several times.
    settings : Settings
        How.
    images, outcomes : Path
        The tar and the Parquet table.
    what : str
        What progress is reported under.
    retry_failed : bool
        Whether the outputs are there already, and only their transient failures are to be asked again.

    Raises
    ------
    FileNotFoundError, ValueError
        If `retry_failed` and the outputs are not there, or are of other rows or settings.
    """
    identity = identity_of(rows, settings)
    with Journal(outcomes.with_suffix(".journal"), identity, len(rows)) as journal:
        if retry_failed and len(journal) < len(rows):
            take_over(images, outcomes, identity, journal)
        try:
            asyncio.run(PartFetcher(rows, settings, journal, what).fetch())
        except ExceptionGroup as group:  # of tasks that ended by one cause, such as a full disk
            raise group.exceptions[0] from group
        if len(journal) < len(rows):  # asyncio only logs what goes wrong in a callback, such as a full disk
            raise ValueError(
                f"{outcomes}: {len(rows) - len(journal):,} of {len(rows):,} rows are not settled (see above); "
                "mend that and run the same command again"
            )
        with outcome_table(outcomes, identity) as table:

            def samples() -> Iterator[tuple[str, dict[str, bytes]]]:
                for number, row in enumerate(rows):
                    outcome, content = journal.read(number)
                    table.add(row, outcome)
                    if outcome.status == "success":
                        yield row.key, sealed(content, outcome.facts(row))

            write_samples(images, samples())
        journal.remove()


def identity_of(rows: Collection[Row], settings: Settings) -> str:
    """Return a hash of the rows and of the settings that images depend on."""
    decisive = {name: getattr(settings, name) for name in DECISIVE}
    digest = hashlib.sha256(json.dumps(decisive).encode())
    for row in rows:
        digest.update(f"\n{row.key}\t{row.caption}\t{row.url}".encode())
    return digest.hexdigest()


def take_over(images: Path, outcomes: Path, identity: str, journal: Journal) -> None:
    """Enter an earlier run's outcomes and images into the journal, all but its transient failures.

    Rows that the journal has stay as they are: an earlier process, which was killed, has asked them again.
    """
    found, lines = read_outcomes(outcomes)
    if found != identity:
        raise ValueError(
            f"{outcomes}: is of other rows or settings than those given now; fetch the part without --retry-failed"
        )
    samples = read_samples(images)
    for number, (key, _, outcome) in enumerate(lines):
        content = b""
        if outcome.status == "success":
            found, parts = next(samples, (None, None))
            if found != key:
                raise ValueError(f"{images}: expected the image {key}, which {outcomes} has, found {found}")
            facts = json.loads(parts["json"])
            outcome = outcome._replace(sizes=Sizes(*(facts[name] for name in Sizes._fields)))
            content = check_seal(parts["jpg"], facts, images, key)
        if number not in journal and (outcome.status == "success" or outcome.permanent):
            journal.add(number, outcome, content)


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


def _number(text: str) -> int | None:
    return None if text == "none" else int(text)


def _rate(text: str) -> float | None:
    return None if text == "none" else float(text)


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"expected true or false, found {text!r}")
    return text.lower() == "true"


def main() -> None:
    """Fetch the part that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--captions", type=Path, required=True, help="captions file, as distributed")
    parser.add_argument("--part", type=int, required=True, help="which part, from 0")
    parser.add_argument("--parts", type=int, required=True, help="how many parts the file is split into")
    parser.add_argument("--rows", type=_number, default=None, help="rows that the file must have, or none")
    parser.add_argument("--images", type=Path, required=True, help="tar to write")
    parser.add_argument("--outcomes", type=Path, required=True, help="Parquet table to write")
    parser.add_argument("--image-size", type=_number, required=True, help="shortest side in pixels, or none")
    parser.add_argument("--user-agent", required=True, help="name and contact")
    parser.add_argument("--respect-robots", type=_truth, required=True, help="whether robots.txt counts: true or false")
    parser.add_argument("--timeout-s", type=float, required=True, help="deadline of one attempt")
    parser.add_argument("--deadline-s", type=float, required=True, help="deadline of all attempts at a URL together")
    parser.add_argument("--max-bytes", type=int, required=True, help="longest body")
    parser.add_argument("--max-pixels", type=int, required=True, help="largest image")
    parser.add_argument("--max-redirects", type=int, required=True, help="most redirects in one attempt")
    parser.add_argument("--attempts", type=int, required=True, help="how often to ask while it fails transiently")
    parser.add_argument("--backoff-s", type=float, required=True, help="wait before the second repetition")
    parser.add_argument("--connections", type=int, required=True, help="requests open at a time")
    parser.add_argument("--connections-per-host", type=int, required=True, help="requests open at a time to one host")
    parser.add_argument("--requests-per-second-per-host", type=_rate, required=True, help="a number, or none")
    parser.add_argument("--max-crawl-delay-s", type=float, required=True, help="a longer Crawl-delay counts as this")
    parser.add_argument("--breaker-failures", type=int, required=True, help="silences in a row that open the breaker")
    parser.add_argument("--threads", type=int, required=True, help="threads that decode and resize")
    parser.add_argument("--retry-failed", action="store_true", help="ask again for an earlier run's transient failures")
    parser.add_argument("--connect-to", default=[], action="append", metavar="SUFFIX=ADDRESS:PORT")
    args = vars(parser.parse_args())
    args["connect_to"] = dict(map(parse_connect_to, args["connect_to"]))
    captions, images, outcomes = args.pop("captions"), args.pop("images"), args.pop("outcomes")
    part, parts, count = args.pop("part"), args.pop("parts"), args.pop("rows")
    retry_failed = args.pop("retry_failed")
    settings = Settings(**args)

    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # about images, thousands of them
    rows = Part(captions, part, parts, count)
    start = time.monotonic()
    fetch_part(rows, settings, images, outcomes, f"fetch part {part} of {parts}", retry_failed)
    print(summary(read_parquet(outcomes, ["status", "failure", "permanent"]), time.monotonic() - start))


if __name__ == "__main__":
    run(main)
