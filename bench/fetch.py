"""Fetch the same photos with img2dataset and with ours, in turns, and say what both took.

::

    python -m bench.fetch

takes about ten minutes on two cores; it reads /proc, so it runs on Linux alone. Both sides fetch ``--images`` JPEGs of
640 × 480 pixels and 150 KB in the mean from a server on the loopback interface, which shares the cores with them,
under many host names so that no limit per host is felt; once resized to 256 pixels and once with the original bytes
kept. Ours runs as the pipeline runs it: as many parts as cores, one thread each, robots.txt asked for, every image
decoded, everything journalled. img2dataset runs in a virtual environment of its own, which is made once (its
requirements contradict ours), with the numbers of processes and threads that a search finds best and without EXIF
tables; where bytes are kept, it does not decode them. Start-up counts on both sides.
"""

import argparse
import contextlib
import io
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from PIL import Image

from bench.processes import Cost, cost_of, cost_of_python, thread_seconds
from bench.world import emptied, photo, processor, table
from pipeline_lib.fetch.images import JPEG_QUALITY, prepare
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.cores import usable_cores
from pipeline_lib.jobs.files import read_json, read_parquet, write_text

IMG2DATASET = "img2dataset==1.47.0"
HOSTS = 50
PHOTOS = 200
PHOTO_QUALITY = 90  # makes 150 KB
SIZES = (256, None)
CORES = usable_cores()
# Of img2dataset: processes and threads in each.
SETTINGS = [(processes, threads) for processes in (CORES, 2 * CORES) for threads in (8, 32)]
# The limits of the paper's run, but for those per host: these hosts are our own.
OPTIONS = (
    "--user-agent conclip-bench/1.0 --respect-robots true --timeout-s 20 --deadline-s 40 --max-bytes 20000000 "
    "--max-pixels 67108864 --max-redirects 20 --attempts 3 --backoff-s 2 --connections 64 --connections-per-host 8 "
    "--requests-per-second-per-host none --max-crawl-delay-s 10 --breaker-failures 5 --threads 1"
)
THEIRS = "--input_format csv --output_format webdataset --caption_col caption --extract_exif False --enable_wandb False"


class Contest(NamedTuple):
    """Both sides, with the same photos."""

    folder: Path  # for lists and outputs
    img2dataset: Path  # the program
    port: int  # of the server, on every loopback address

    def ours(self, image_size: int | None, n_images: int) -> Cost:
        """Fetch as the pipeline does: a process per part, as many as cores."""
        captions, output = self.folder / "captions.tsv", emptied(self.folder / "ours")
        rows = [f"photo {n}\thttp://host-{n % HOSTS}.test/{n}.jpg\n" for n in range(n_images)]
        captions.write_text("".join(rows))
        commands = [
            [
                *(sys.executable, "-m", "pipeline_lib.fetch.fetch", "--captions", captions),
                *("--part", part, "--parts", CORES, "--image-size", image_size or "none"),
                *("--images", output / f"{part}.tar", "--outcomes", output / f"{part}.parquet"),
                *(*OPTIONS.split(), "--connect-to", f"test=127.0.0.1:{self.port}"),
            ]
            for part in range(CORES)
        ]
        cost = cost_of(commands, self.folder / "ours.log")
        statuses = [status for path in output.glob("*.parquet") for status in read_parquet(path)["status"]]
        check("ours", statuses.count("success"), n_images)
        return cost

    def theirs(self, image_size: int | None, n_images: int, processes: int, threads: int) -> Cost:
        """Fetch with img2dataset."""
        links, output = self.folder / "links.csv", emptied(self.folder / "theirs")
        rows = [f"photo {n},http://127.0.0.{1 + n % HOSTS}:{self.port}/{n}.jpg\n" for n in range(n_images)]
        links.write_text("caption,url\n" + "".join(rows))
        sizing = (
            ["--disable_all_reencoding", "True"]
            if image_size is None
            else ["--image_size", image_size, "--resize_mode", "keep_ratio", "--encode_quality", JPEG_QUALITY]
        )
        command = [
            *(self.img2dataset, "--url_list", links, "--output_folder", output, *THEIRS.split()),
            *("--processes_count", processes, "--thread_count", threads, *sizing),
            # Two shards for each process, so that none ends much later than the others.
            *("--number_sample_per_shard", -(-n_images // (2 * processes))),
        ]
        cost = cost_of([command], self.folder / "theirs.log")
        check("img2dataset", sum(read_json(path)["successes"] for path in output.glob("*_stats.json")), n_images)
        return cost

    def best_of_theirs(self, image_size: int | None, n_images: int) -> tuple[int, int]:
        """Return the numbers of processes and threads with which img2dataset is fastest."""
        return min(SETTINGS, key=lambda setting: self.theirs(image_size, n_images, *setting).seconds)


def check(side: str, n_successes: int, n_images: int) -> None:
    """Raise unless a side has every image: a rate of failures is no rate."""
    if n_successes != n_images:
        raise RuntimeError(f"{side}: expected {n_images} images, found {n_successes}")


def install(folder: Path) -> Path:
    """Return img2dataset, installed into a virtual environment if it is not there yet."""
    program = folder / "bin" / "img2dataset"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", IMG2DATASET], check=True)
        subprocess.run([folder / "bin" / "python", "-m", "compileall", "-q", folder / "lib"], stdout=subprocess.DEVNULL)
    return program


@contextlib.contextmanager
def server(folder: Path) -> Iterator[tuple[int, int]]:
    """Serve the photos in a folder; yield the server's process number and port."""
    command = [sys.executable, "-m", "bench.photo_server", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.pid, int(process.stdout.readline())
        finally:
            process.kill()


def per_core(bodies: list[bytes], work: Callable[[bytes], object]) -> float:
    """Return how many images a second one thread brings through `work`: the best of three rounds."""
    rates = []
    for _ in range(3):
        start = time.perf_counter()
        for body in bodies:
            work(body)
        rates.append(len(bodies) / (time.perf_counter() - start))
    return max(rates)


def plainly(body: bytes) -> bytes:
    """Decode, resize to 256 pixels, encode with Pillow, in the most obvious way."""
    image, encoded = Image.open(io.BytesIO(body)), io.BytesIO()
    scale = 256 / min(image.size)
    size = tuple(round(side * scale) for side in image.size)
    image.resize(size, Image.Resampling.BICUBIC).save(encoded, "JPEG", quality=JPEG_QUALITY)
    return encoded.getvalue()


def median(costs: list[Cost]) -> Cost:
    """Return the medians of each number."""
    return Cost(*map(statistics.median, zip(*costs, strict=True)))


def rows_of(image_size: int | None, n_images: int, setting: tuple[int, int], theirs: Cost, ours: Cost) -> list[dict]:
    """Return both sides' lines of the table."""
    sides = {f"img2dataset, {setting[0]} processes of {setting[1]} threads": theirs, f"ours, {CORES} parts": ours}
    return [
        {
            "image_size": str(image_size or "null: bytes kept"),
            "side": side,
            "seconds": f"{cost.seconds:.1f}",
            "images/s": f"{n_images / cost.seconds:,.0f}",
            "ratio": f"{theirs.seconds / cost.seconds:.2f}",
            "CPU seconds": f"{cost.cpu_s:.1f}",
            "memory, MiB": f"{cost.memory_bytes / 2**20:,.0f}",
        }
        for side, cost in sides.items()
    ]


def shares_of(image_size: int | None, n_images: int, ours: Cost, start_s: float, alone: float) -> dict[str, str]:
    """Return where our CPU seconds went."""
    parts = {
        "decode, resize, encode": ours.threads_s,
        "HTTP, journal": ours.before_s - CORES * start_s,
        "tar and table": ours.cpu_s - ours.threads_s - ours.before_s,
        "start-up": CORES * start_s,
    }
    return {
        "image_size": str(image_size or "null"),
        **{name: f"{seconds:.1f} s, {seconds / ours.cpu_s:.0%}" for name, seconds in parts.items()},
        "decoding alone, images/s": f"{alone:,.0f} a core",
        "reached": f"{n_images / ours.seconds / (CORES * alone):.0%} of {CORES} cores",
    }


def contest(folder: Path, program: Path, n_images: int, n_searched: int, repeats: int) -> str:
    """Run both sides in turns; return the report."""
    rng = np.random.default_rng(0)
    bodies = [photo(rng, PHOTO_QUALITY) for _ in range(PHOTOS)]
    emptied(folder / "web")
    for number, body in enumerate(bodies):
        (folder / "web" / f"{number:03d}.jpg").write_bytes(body)
    start_s = cost_of_python(["-m", "pipeline_lib.fetch.fetch", "--help"], folder / "log").cpu_s
    lines, shares = [], []
    with server(folder / "web") as (pid, port):
        field = Contest(folder, program, port)
        for image_size in SIZES:
            setting = field.best_of_theirs(image_size, n_searched)
            ours, theirs = [], []
            for _ in range(repeats):
                theirs.append(field.theirs(image_size, n_images, *setting))
                ours.append(field.ours(image_size, n_images))
            lines += rows_of(image_size, n_images, setting, median(theirs), median(ours))
            alone = per_core(bodies, lambda body, size=image_size: prepare(body, size, 10**8))
            shares.append(shares_of(image_size, n_images, median(ours), start_s, alone))
        served_s = sum(thread_seconds(psutil.Process(pid)).values())
    n_served = len(SIZES) * (2 * repeats * n_images + len(SETTINGS) * n_searched)
    size_kb = np.mean([len(body) for body in bodies]) / 1000
    parts = [
        f"{time.strftime('%Y-%m-%d')}, {CORES} cores, {processor()}; {n_images:,} images of 640 × 480 pixels and "
        f"{size_kb:.0f} KB in the mean from {HOSTS} hosts, medians of {repeats}, start-up included. The server took "
        f"{1000 * served_s / n_served:.2f} ms of CPU per image.",
        table(lines),
        "Our CPU seconds:",
        table(shares),
        f"Decoding, plain bicubic and encoding with Pillow alone, at {SIZES[0]}: {per_core(bodies, plainly):,.0f} "
        "images/s a core.",
    ]
    return "\n\n".join(parts)


def main() -> None:
    """Run the contest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=12_000)
    parser.add_argument("--search-images", type=int, default=3_000, help="for each setting of img2dataset")
    parser.add_argument("--repeats", type=int, default=3, help="rounds; medians are reported")
    parser.add_argument("--venv", type=Path, default=Path.home() / ".cache" / "conclip-bench" / "img2dataset-1.47.0")
    parser.add_argument("--output", type=Path, help="Markdown file to write, beside printing it")
    args = parser.parse_args()
    program = install(args.venv)
    with tempfile.TemporaryDirectory() as name:
        text = contest(Path(name), program, args.images, args.search_images, args.repeats)
    print(text)
    if args.output:
        write_text(args.output, text + "\n")


if __name__ == "__main__":
    run(main)
