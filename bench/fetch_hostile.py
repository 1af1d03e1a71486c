"""Fetch the same links from a web that works and from one that misbehaves; compare the times.

::

    python -m bench.fetch_hostile

(about a minute and a half). Hosts have the sizes that CC3M's have: six hold 56 % of the links, the rest is spread over
many. In the hostile web a fifth of the links is dead or failing in the proportions that CC3M's validation file had in
2019, one host in a hundred never answers, and there are web pages called images, truncated bodies, bodies that come a
byte at a time, redirect loops and gzip bombs. Its fetch should take at most 1.3 times the clean one's time, and one
deadline. The server has a process of its own; both share the machine. Limits are those of config/config.yaml.

Links that never answer lie on the big hosts too here. That is harder than the web, where whole hosts are gone: a host
of n links, a share s of them silent, takes n * s * deadline / connections_per_host seconds however fast all else is.
"""

import argparse
import asyncio
import gzip
import multiprocessing
import random
import tempfile
import time
from pathlib import Path

import numpy as np
from aiohttp import web
from fetching import fetch_settings, rows_of, serving

from bench.world import photo
from pipeline_lib.fetch.fetch import fetch_part
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import read_parquet

BIG_HOSTS = (0.164, 0.147, 0.084, 0.084, 0.052, 0.030)
# Of 15,840 links 1,004 failed: 329 with 404, 289 timed out, 257 with 403, 113 with 405, 16 with 503.
FAILING = {"404": 329, "silent": 289, "403": 257, "405": 113, "503": 16}
FAILING_SHARE = 0.20
NASTY = {"html": 0.004, "half": 0.003, "drip": 0.002, "loop": 0.002, "bomb": 0.001}
SILENT_HOSTS = 0.01
BOMB = gzip.compress(bytes(50_000_000))


def links(count: int, hosts: int, rng: random.Random) -> list[str]:
    """Return URLs on hosts of CC3M's sizes, in random order; the last part of a path says how it misbehaves."""
    rest = [1 / rank for rank in range(1, hosts - len(BIG_HOSTS) + 1)]
    weights = [*BIG_HOSTS, *((1 - sum(BIG_HOSTS)) * weight / sum(rest) for weight in rest)]
    kinds = {name: FAILING_SHARE * share / sum(FAILING.values()) for name, share in FAILING.items()} | NASTY
    kinds["ok"] = 1 - sum(kinds.values())
    # A host of the six that never answers would be a sixth of the web, and not a hundredth of the hosts.
    dead = set(rng.sample(range(len(BIG_HOSTS), hosts), round(SILENT_HOSTS * hosts)))
    chosen = rng.choices(range(hosts), weights, k=count)
    kind = rng.choices(list(kinds), list(kinds.values()), k=count)
    return [
        f"http://{'dead' if host in dead else 'host'}-{host}.test/{number}/{kind[number]}"
        for number, host in enumerate(chosen)
    ]


def serve(hostile: bool, bodies: list[bytes], port: multiprocessing.Queue) -> None:
    """Serve until killed; put the port into the queue."""

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        _, number, kind = request.path.split("/")
        body = bodies[int(number) % len(bodies)]
        if not hostile:
            return web.Response(body=body, content_type="image/jpeg")
        if kind == "silent" or request.host.startswith("dead"):
            await asyncio.Event().wait()
        if kind.isdigit():
            return web.Response(status=int(kind))
        match kind:
            case "html":
                body = b"<!doctype html><title>Not here</title>"
            case "loop":
                return web.Response(status=302, headers={"Location": request.path})
            case "bomb":
                return web.Response(body=BOMB, headers={"Content-Encoding": "gzip"})
            case "half" | "drip":
                response = web.StreamResponse(headers={"Content-Length": str(len(body))})
                await response.prepare(request)
                await response.write(body[: len(body) // 2])
                while kind == "drip":
                    await asyncio.sleep(0.1)
                    await response.write(b"\0")
                request.transport.close()
                return response
        return web.Response(body=body, content_type="image/jpeg")

    async def robots(request: web.BaseRequest) -> web.StreamResponse:
        if hostile and request.host.startswith("dead"):
            await asyncio.Event().wait()
        return web.Response(status=404)

    with serving(handler, robots) as number:
        port.put(number)
        while True:
            time.sleep(1)


def timed(hostile: bool, urls: list[str], bodies: list[bytes], **changes) -> float:
    """Return how many seconds it takes to fetch `urls`, and print what became of them."""
    port = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(hostile, bodies, port), daemon=True)
    server.start()
    try:
        settings = fetch_settings(port.get(), **changes)
        with tempfile.TemporaryDirectory() as folder:
            images, outcomes = Path(folder) / "out.tar", Path(folder) / "out.parquet"
            start = time.monotonic()
            fetch_part(rows_of(urls), settings, images, outcomes, "hostile" if hostile else "clean")
            seconds = time.monotonic() - start
            counts = read_parquet(outcomes)["failure"].fillna("success").value_counts()
    finally:
        server.kill()
        server.join()
    print(f"{'hostile' if hostile else 'clean'}: {seconds:.1f} s; {', '.join(f'{k} {v}' for k, v in counts.items())}")
    return seconds


def main() -> None:
    """Compare as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--links", type=int, default=6000)
    parser.add_argument("--hosts", type=int, default=1300)
    parser.add_argument("--timeout-s", type=float, default=1.5)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--connections-per-host", type=int, default=8)
    args = parser.parse_args()
    urls = links(args.links, args.hosts, random.Random(0))
    rng = np.random.default_rng(0)
    bodies = [photo(rng, quality=90) for _ in range(32)]
    changes = {"timeout_s": args.timeout_s, "deadline_s": 2 * args.timeout_s, "backoff_s": 0.2, "breaker_failures": 5}
    changes |= {"connections": args.connections, "connections_per_host": args.connections_per_host}
    changes |= {"image_size": 256, "max_bytes": 10_000_000}
    clean, hostile = (timed(hostile, urls, bodies, **changes) for hostile in (False, True))
    allowed = 1.3 * clean + changes["deadline_s"]
    print(
        f"{len(urls):,} links, mean {sum(map(len, bodies)) / len(bodies) / 1000:.0f} KB; hostile / clean "
        f"{hostile / clean:.2f}; {hostile:.1f} s of {allowed:.1f} s allowed"
    )


if __name__ == "__main__":
    run(main)
