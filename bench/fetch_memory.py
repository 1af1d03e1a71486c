"""Most memory of a fetch against its number of rows: the journal and the outputs grow on disk, the process does not.

::

    python -m bench.fetch_memory --rows 5000 20000

takes a minute or two. Rows are as long as CC3M's, one in ten is dead, images are 320 × 240 pixels.
"""

import argparse
import os
import random
import string
import subprocess
import sys
import tempfile
from pathlib import Path

from aiohttp import web
from fetching import jpeg, serving

from pipeline_lib.jobs.cli import run

CAPTION_CHARACTERS, PATH_CHARACTERS, HOSTS, DEAD = 55, 60, 300, 0.1
OPTIONS = (
    "--part 0 --parts 1 --user-agent bench/1 --respect-robots true --timeout-s 20 --deadline-s 40 --max-bytes 20000000 "
    "--max-pixels 100000000 --max-redirects 5 --attempts 3 --backoff-s 2 --connections 64 --connections-per-host 8 "
    "--requests-per-second-per-host none --max-crawl-delay-s 10 --breaker-failures 5 --threads 1"
)


def write_captions(path: Path, n_rows: int) -> None:
    """Write a captions file of made-up rows."""
    rng = random.Random(0)
    with open(path, "w") as file:
        for number in range(n_rows):
            caption = "".join(rng.choices(string.ascii_lowercase + " ", k=CAPTION_CHARACTERS))
            way = "".join(rng.choices(string.ascii_lowercase, k=PATH_CHARACTERS))
            kind = "dead" if rng.random() < DEAD else "photo"
            file.write(f"{caption}\thttp://host-{rng.randrange(HOSTS)}.test/{kind}/{way}-{number}.jpg\n")


def peak_mib(folder: Path, port: int, n_rows: int, image_size: str) -> float:
    """Fetch `n_rows` rows; return the most memory that the process had, in MiB."""
    write_captions(folder / "captions.tsv", n_rows)
    files = ["--captions", "captions.tsv", "--images", "out.tar", "--outcomes", "out.parquet"]
    target = ["--image-size", image_size, "--connect-to", f"test=127.0.0.1:{port}"]
    command = [sys.executable, "-m", "pipeline_lib.fetch.fetch", *files, *target, *OPTIONS.split()]
    process = subprocess.Popen(command, cwd=folder, env=os.environ | {"OMP_NUM_THREADS": "1"})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return usage.ru_maxrss / 1024


def main() -> None:
    """Measure the numbers of rows that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[5000, 20000])
    parser.add_argument("--image-size", default="256", help="pixels, or none")
    args = parser.parse_args()
    photo = jpeg(size=(320, 240))

    async def handle(request: web.BaseRequest) -> web.Response:
        return web.Response(status=404) if request.path.startswith("/dead/") else web.Response(body=photo)

    with serving(handle) as port:
        for n_rows in args.rows:
            with tempfile.TemporaryDirectory() as folder:
                peak = peak_mib(Path(folder), port, n_rows, args.image_size)
            print(f"{n_rows:,} rows: {peak:,.1f} MiB", flush=True)


if __name__ == "__main__":
    run(main)
