"""Kill a fetch at random moments and let it finish: nothing settled is asked again, and the files are the same.

::

    PYTHONPATH=tests python -m faults.fetch_kills --rows 5000 --kills 20 --longest-s 1

takes about half a minute. A kill comes up to ``--longest-s`` after the first request of a process.
"""

import argparse
import multiprocessing
import random
import tempfile
import time
from pathlib import Path

from aiohttp import web
from fetching import Site, fetch_settings, jpeg, moved, rows_of, serving

from pipeline_lib.fetch.fetch import fetch_part, identity_of
from pipeline_lib.fetch.outcomes import Journal
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import read_parquet

# Forked from a process that has everything loaded, so that a fetch is under way within milliseconds.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["__main__", "pipeline_lib.fetch.fetch", "torch"])
KINDS = {"": 80, "-404": 8, "-500": 4, "-moved": 4, "-half": 4}  # what a path asks for, and its share in percent


def by_path(request: web.BaseRequest) -> web.Response:
    """What the path of a request asks for."""
    number, _, kind = request.path.strip("/").partition("-")
    if kind in ("404", "500"):
        return web.Response(status=int(kind))
    if kind == "moved":
        return moved(f"/{number}")
    image = jpeg((int(number) % 256, int(number) // 256, 9))
    return web.Response(body=image[:200] if kind == "half" else image)


def kill_and_finish(folder: Path, n_rows: int, kills: int, longest_s: float) -> int:
    """Fetch a part in one go and another time with kills, each up to `longest_s` after the first request; compare.

    No settled row may be asked again, the tars must be the same, and the tables but for their column `milliseconds`.
    Return how many requests more the server got with kills: those in flight, and attempts at rows not settled.
    """
    rng = random.Random(n_rows)
    kinds = rng.choices(list(KINDS), list(KINDS.values()), k=n_rows)
    paths = [f"/{number}{kind}" for number, kind in enumerate(kinds)]
    rows = rows_of([f"http://host-{number % 7}.test{path}" for number, path in enumerate(paths)])
    once, killed = ((folder / name / "out.tar", folder / name / "out.parquet") for name in ("once", "killed"))
    quick, site = Site(by_path), Site(by_path, delay_s=0.02)
    with serving(quick) as port:
        fetch_part(rows, fetch_settings(port), *once)
    with serving(site) as port:
        settings, settled = fetch_settings(port), set()
        for kill in range(kills + 1):
            asked_before = len(site.log)
            process = PROCESSES.Process(target=fetch_part, args=(rows, settings, *killed))
            process.start()
            if kill < kills:
                while process.is_alive() and len(site.log) == asked_before:
                    time.sleep(0.002)
                time.sleep(rng.uniform(0, longest_s))
                assert process.is_alive(), "it ended before it could be killed: give it more rows"
                process.kill()
            process.join()
            assert not settled & {request.path for request in site.log[asked_before:]}, "a settled row was asked again"
            if kill < kills:
                with Journal(killed[1].with_suffix(".journal"), identity_of(rows, settings), n_rows) as journal:
                    settled = {path for number, path in enumerate(paths) if number in journal}
    assert once[0].read_bytes() == killed[0].read_bytes()
    tables = [read_parquet(table).drop(columns="milliseconds") for _, table in (once, killed)]
    assert tables[0].equals(tables[1]) and len(tables[0]) == n_rows
    assert sorted(path.name for path in (folder / "killed").iterdir()) == ["out.parquet", "out.tar"]
    return len(site.log) - len(quick.log)


def main() -> None:
    """Kill as often as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--longest-s", type=float, default=1.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        more = kill_and_finish(Path(folder), args.rows, args.kills, args.longest_s)
    print(
        f"{args.rows:,} rows, {args.kills} kills: no settled row asked again, same tar, same table but for "
        f"milliseconds; {more:,} requests were made once more"
    )


if __name__ == "__main__":
    run(main)
