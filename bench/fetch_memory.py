"""Most memory of a fetch against its number of rows: the journal and the outputs grow on disk, the process does not.

::

    python -m bench.fetch_memory --rows 5000 20000

takes a minute or two. Rows are as long as CC3M's, one in ten is dead, images are 320 × 240 pixels.
"""

import argparse
import random
import string
import tempfile
from pathlib import Path

from aiohttp import web
from fetching import jpeg, serving

from bench.fetch import OPTIONS
from bench.processes import cost_of_python
from pipeline_lib.jobs.cli import run

CAPTION_CHARACTERS, PATH_CHARACTERS, HOSTS, DEAD = 55, 60, 300, 0.1


def write_captions(path: Path, n_rows: int) -> None:
    """Write a captions file of made-up rows."""
    rng = random.Random(0)
    with open(path, "w") as file:
        for number in range(n_rows):
            caption = "".join(rng.choices(string.ascii_lowercase + " ", k=CAPTION_CHARACTERS))
            way = "".join(rng.choices(string.ascii_lowercase, k=PATH_CHARACTERS))
            kind = "dead" if rng.random() < DEAD else "photo"
            file.write(f"{caption}\thttp://host-{rng.randrange(HOSTS)}.test/{kind}/{way}-{number}.jpg\n")


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
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                write_captions(folder / "captions.tsv", n_rows)
                files = ["--captions", "captions.tsv", "--images", "out.tar", "--outcomes", "out.parquet"]
                target = ["--image-size", args.image_size, "--connect-to", f"test=127.0.0.1:{port}"]
                part = [
                    "-m",
                    "pipeline_lib.fetch.fetch",
                    *files,
                    *target,
                    "--part",
                    "0",
                    "--parts",
                    "1",
                    *OPTIONS.split(),
                ]
                cost = cost_of_python(part, folder / "log", folder)
            print(f"{n_rows:,} rows: {cost.peak_bytes / 2**20:,.1f} MiB", flush=True)


if __name__ == "__main__":
    run(main)
