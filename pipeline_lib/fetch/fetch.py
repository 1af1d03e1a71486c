"""Fetch the images of one part of a captions file.

::

    python -m pipeline_lib.fetch.fetch --captions Train_GCC-training.tsv --part 0 --parts 100 \\
        --images 000.tar --outcomes 000.parquet --image-size 256 --user-agent "conclip/1.0 (+mailto:you@example.org)" \\
        --respect-robots true --timeout-s 15 --deadline-s 30 --max-bytes 20000000 --max-pixels 100000000 \\
        --max-redirects 5 --attempts 3 --backoff-s 2 --connections 64 --connections-per-host 4 \\
        --requests-per-second-per-host 10 --max-crawl-delay-s 10 --breaker-failures 5 --threads 2

(about 1,000 small images per second and core from a near host; on the open web the hosts set the pace). Outputs:

- a WebDataset tar with ``KEY.jpg`` and ``KEY.json`` (`caption`, `url`, `status`, `width`, `height`, `original_width`,
  `original_height`, `sha256` of the image as downloaded, and `crc32` of it as stored) for every image that was had, in
  row order;
- a Parquet table with one row per row of the part, in order: `key`, `url`, `status` (``success`` or ``failed``),
  `failure` (null or one of `FAILURES`), `permanent` (whether asking again is pointless), `http_code` (of the last
  answer), `attempts`, `bytes` (of a body that came whole), `final_host` (the last one that was asked), `sha256` (of the
  image as downloaded; null for a failure), `milliseconds` (how long the requests took, without the waits between them).

The same answers give the same bytes in the tar and the same values in the table, but for `milliseconds`, which is a
measurement. (Hosts that stop answering are the exception: which of their rows were asked before that was noticed, and
how often, depends on timing; all of them fail transiently.) A row that fails transiently is tried again at once, at the
end of its host's line, and then after ``--backoff-s``, twice that, and so on, up to ``--attempts`` in all. After a 429,
or a 503 with ``Retry-After``, the whole host is left alone for ``--backoff-s`` or what the header asks for, but no
longer than four times ``--timeout-s``. How hosts are treated beyond that: `schedule`; what becomes of a part where our
own network may be at fault: docs/fetching.md.

What is settled is kept in a journal beside the table, ``000.journal``, until both outputs stand: after a kill the same
command asks only for the rest. With ``--retry-failed`` and the outputs of an earlier run in place, it asks only for
what failed transiently there and takes over everything else; the earlier outputs stand until the new ones replace them.
"""

import argparse
import asyncio
import hashlib
import json
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

import pandas as pd

from pipeline_lib.fetch import label
from pipeline_lib.fetch.images import own_pixel_limit
from pipeline_lib.fetch.outcomes import SIDES, Journal, Outcome, read_outcomes, write_outcomes
from pipeline_lib.fetch.part import PartFetcher
from pipeline_lib.fetch.settings import DECISIVE, FetchSettings
from pipeline_lib.formats.annotations import parse_count
from pipeline_lib.formats.cc3m import Part, Row
from pipeline_lib.formats.tars import check_seal, read_samples, sealed, write_samples
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import read_parquet
from pipeline_lib.jobs.options import add_options, from_args

HOSTS_ENOUGH = 10  # that so many hosts have no image at all is less likely than a network that does not work
NETWORK = ("dns", "tls", "address")  # failures that our own network may be to blame for: never taken over
UNASKED = ("row", "url")  # failures that no host and no network has to do with
PROXIES = {"http_proxy", "https_proxy", "all_proxy"}


def fetch_part(
    rows: Collection[Row],
    settings: FetchSettings,
    images: Path,
    outcomes: Path,
    what: str = "fetch",
    retry_failed: bool = False,
) -> None:
    """Fetch the images of `rows`, which are read several times, and write both outputs; report progress as `what`.

    With `retry_failed` the outputs must be there already, of the same rows and settings, and only their transient
    failures are asked again. Raises `ValueError`, and records nothing, if many hosts were asked and all failed
    transiently.
    """
    identity = identity_of(rows, settings)
    with Journal(outcomes.with_suffix(".journal"), identity, len(rows)) as journal:
        as_they_were = retry_failed and len(journal) == 0
        if retry_failed and len(journal) < len(rows):
            _take_over(images, outcomes, identity, journal)
        asked = [row for row in range(len(rows)) if row not in journal]
        try:
            with own_pixel_limit():
                fetcher = PartFetcher(rows, settings, journal, what)
                asyncio.run(fetcher.fetch())
        except ExceptionGroup as group:  # of tasks that ended by one cause, such as a full disk
            raise group.exceptions[0] from group
        if len(journal) < len(rows):  # asyncio only logs what goes wrong in a callback, such as a full disk
            raise ValueError(
                f"{outcomes}: {len(rows) - len(journal):,} of {len(rows):,} rows have no outcome yet (see above); "
                "remove the cause and run the same command again"
            )
        suspect = _network_is_suspect(len(fetcher.schedule.hosts_asked), journal, outcomes)
        # A kill between the two leaves the journal, from which the next run writes both again.
        # Where a retry finds no image the earlier ones stay, so that nothing that is made of them is made again.
        if not as_they_were or any(journal.read(row)[0].status == "success" for row in asked):
            write_samples(images, _samples(rows, journal))
        write_outcomes(outcomes, identity, _lines(rows, journal, suspect))
        journal.remove()


def _samples(rows: Collection[Row], journal: Journal) -> Iterator[tuple[str, dict[str, bytes]]]:
    for number, row in enumerate(rows):
        outcome, content = journal.read(number)
        if outcome.status == "success":
            yield row.key, sealed(content, outcome.facts(row))


def _lines(rows: Collection[Row], journal: Journal, suspect: bool) -> Iterator[tuple[Row, Outcome]]:
    for number, row in enumerate(rows):
        outcome = journal.read(number)[0]
        yield row, outcome._replace(permanent=outcome.permanent and (not suspect or outcome.failure in UNASKED))


def _network_is_suspect(hosts: int, journal: Journal, outcomes: Path) -> bool:
    """Return whether so many hosts were asked without an image that the network may be at fault, and say so.

    Raises `ValueError`, and forgets the journal, if all failures are transient, so that nothing is lost by that. Fewer
    hosts may all be gone; their rows stand.
    """
    if not hosts or any(journal.read(row)[0].status == "success" for row in range(len(journal))):
        return False
    failed = [journal.read(row)[0] for row in range(len(journal))]
    counts = Counter(label(outcome.failure, outcome.http_code) for outcome in failed)
    failures = ", ".join(f"{failure} {count:,}" for failure, count in counts.most_common())
    proxies = ", ".join(sorted(name for name in os.environ if name.lower() in PROXIES))
    message = (
        f"{outcomes}: expected an image from any of {hosts:,} hosts, found none ({failures}); see that this machine "
        "resolves names (`getent hosts arxiv.org`), has the right time and reaches web servers without proxy or login"
        + (f" ({proxies} is set, which fetching does not use)" if proxies else "")
        + ", then run the same command again"
    )
    all_transient = not any(outcome.permanent and outcome.failure not in UNASKED for outcome in failed)
    if hosts >= HOSTS_ENOUGH and all_transient:
        journal.remove()
        raise ValueError(message)
    if hosts >= HOSTS_ENOUGH or all_transient:
        print(f"warning: {message} with --retry-failed (in the workflow: `snakemake retry_failed`)", file=sys.stderr)
    return hosts >= HOSTS_ENOUGH


def identity_of(rows: Collection[Row], settings: FetchSettings) -> str:
    """Return a hash of the rows and of the settings that images depend on."""
    decisive = {name: getattr(settings, name) for name in DECISIVE}
    digest = hashlib.sha256(json.dumps(decisive).encode())
    for row in rows:
        digest.update(f"\n{row.key}\t{row.caption}\t{row.url}".encode())
    return digest.hexdigest()


def _take_over(images: Path, outcomes: Path, identity: str, journal: Journal) -> None:
    """Enter an earlier run's outcomes and images into the journal, all but its transient failures.

    Rows that the journal has stay as they are: an earlier process, which was killed, has asked them again.
    """
    found, lines = read_outcomes(outcomes)
    if found != identity:
        raise ValueError(f"{outcomes}: was made with other rows or settings; fetch the part without --retry-failed")
    samples = read_samples(images)
    for number, (key, outcome) in enumerate(lines):
        content = b""
        if outcome.status == "success":
            found, parts = next(samples, (None, None))
            if found != key:
                raise ValueError(f"{images}: expected the image {key}, which {outcomes} has, found {found}")
            facts = json.loads(parts["json"])
            outcome = outcome._replace(**{name: facts[name] for name in SIDES})
            content = check_seal(parts["jpg"], facts, images, key)
        settled = outcome.status == "success" or (outcome.permanent and outcome.failure not in NETWORK)
        if number not in journal and settled:
            journal.add(number, outcome, content)


def summary(frame: pd.DataFrame, seconds: float) -> str:
    """Say how many rows of an outcome table have an image, and why the others have none."""
    successes = int((frame["status"] == "success").sum())
    lines = [
        f"rows {len(frame):,}, successes {successes:,} ({successes / max(len(frame), 1):.1%}), "
        f"{seconds:.1f} s, {successes / seconds:,.0f} images/s"
    ]
    counts = frame.groupby(["failure", "permanent"]).size().sort_values(ascending=False, kind="stable")
    for (failure, permanent), count in counts.items():
        lines.append(f"  {failure} ({'permanent' if permanent else 'transient'}): {count:,}")
    return "\n".join(lines)


def main() -> None:
    """Fetch the part that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--captions", type=Path, required=True, help="captions file, such as CC3M's")
    parser.add_argument("--part", type=int, required=True, help="which part, counted from 0")
    parser.add_argument("--parts", type=int, required=True, help="number of parts that the file is split into")
    parser.add_argument("--rows", type=parse_count, help="number of rows that the file must have; none: any")
    parser.add_argument("--images", type=Path, required=True, help="output: images, tar")
    parser.add_argument("--outcomes", type=Path, required=True, help="output: what became of each row, Parquet")
    parser.add_argument(
        "--retry-failed", action="store_true", help="ask again for links that failed temporarily in an earlier run"
    )
    add_options(parser, FetchSettings)
    args = parser.parse_args()
    settings = from_args(FetchSettings, args)
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # about images, thousands of them
    rows = Part(args.captions, args.part, args.parts, args.rows)
    start = time.monotonic()
    fetch_part(rows, settings, args.images, args.outcomes, f"fetch part {args.part} of {args.parts}", args.retry_failed)
    print(summary(read_parquet(args.outcomes, ["status", "failure", "permanent"]), time.monotonic() - start))


if __name__ == "__main__":
    run(main)
