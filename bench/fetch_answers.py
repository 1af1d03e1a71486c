"""Ask for the same odd answers with curl, Python's urllib, img2dataset and our fetch, and say who gets the image.

::

    python -m bench.fetch_answers

(a quarter of a minute). Each answer of `answers.ANSWERS` is a path of one server on the loopback interface. Everybody
asks once, without repetitions, and follows redirects. img2dataset runs in a virtual environment of its own, which is
made once (see `bench.fetch`). Prints a table of the answers from which somebody gets no image, and the names of the
others; ends with an error if curl, urllib or img2dataset gets an image that we do not get.
"""

import argparse
import subprocess
import tempfile
import urllib.request
from pathlib import Path

from answers import ANSWERS, answering, path_of
from fetching import fetch, outcomes

from bench.fetch import THEIRS, install
from bench.world import table
from pipeline_lib.fetch import Failed, label
from pipeline_lib.fetch.images import prepare
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import read_parquet

TIMEOUT_S = 3
IMAGE = "image"


def curl(url: str, *flags: str) -> str:
    """Ask with curl."""
    ran = subprocess.run(["curl", "-sSLgf", "-m", str(TIMEOUT_S), *flags, url], capture_output=True)
    return of_body(ran.stdout) if ran.returncode == 0 else f"error {ran.returncode}"


def urllib_of(url: str) -> str:
    """Ask with Python's urllib."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
            return of_body(response.read())
    except Exception as error:  # of any kind: what it stumbles over is the question
        return type(error).__name__


def of_body(body: bytes) -> str:
    """Return whether bytes are a whole image."""
    try:
        prepare(body, None, 10**6)
    except Failed as failed:
        return failed.failure
    return IMAGE


def img2dataset_of(program: Path, folder: Path, urls: list[str]) -> list[str]:
    """Ask with img2dataset, which keeps what its decoder reads."""
    (folder / "links.csv").write_text("caption,url\n" + "".join(f"a photo,{url}\n" for url in urls))
    command = [program, "--url_list", folder / "links.csv", "--output_folder", folder / "theirs", *THEIRS.split()]
    command += ["--processes_count", "1", "--thread_count", "8", "--timeout", str(TIMEOUT_S), "--resize_mode", "no"]
    subprocess.run([*command, "--number_sample_per_shard", str(len(urls))], check=True, capture_output=True)
    found = read_parquet(folder / "theirs" / "00000.parquet").set_index("url")["status"].to_dict()
    return [IMAGE if found[url] == "success" else found[url].replace("_", " ") for url in urls]


def ours(folder: Path, urls: list[str], port: int) -> list[str]:
    """Ask with our fetch."""
    frame = fetch(folder, urls, port, attempts=1, timeout_s=float(TIMEOUT_S), image_size=None)
    return [label(failure, code and int(code)) or IMAGE for failure, code in outcomes(frame, "failure", "http_code")]


def main() -> None:
    """Ask everybody."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, default=Path.home() / ".cache" / "conclip-bench" / "img2dataset-1.47.0")
    program = install(parser.parse_args().venv)
    paths = [path_of(name) for name in ANSWERS]
    said = dict(zip(paths, ANSWERS.values(), strict=True))
    with tempfile.TemporaryDirectory() as name, answering(said) as server:
        urls = [f"http://127.0.0.1:{server.port}{path}" for path in paths]
        columns = {
            "curl": [curl(url) for url in urls],
            "curl --compressed": [curl(url, "--compressed") for url in urls],
            "urllib": [urllib_of(url) for url in urls],
            "img2dataset": img2dataset_of(program, Path(name), urls),
            "ours": ours(Path(name), [f"http://a.test{path}" for path in paths], server.port),
        }
    rows = [
        {"answer": answer, **dict(zip(columns, found, strict=True))}
        for answer, *found in zip(ANSWERS, *columns.values(), strict=True)
    ]
    differing = [row for row in rows if set(row.values()) != {row["answer"], IMAGE}]
    print(table(differing))
    print(f"\nAll get an image from {len(rows) - len(differing)} others:")
    print("; ".join(row["answer"] for row in rows if row not in differing))
    counts = ", ".join(f"{column} {found.count(IMAGE)}" for column, found in columns.items())
    print(f"\nImages from {len(rows)} answers: {counts}.")
    lost = [row["answer"] for row in rows if row["ours"] != IMAGE and IMAGE in row.values()]
    if lost:
        raise ValueError(f"expected every image that others get, lost: {', '.join(lost)}")


if __name__ == "__main__":
    run(main)
