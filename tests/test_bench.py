"""The arithmetic behind the benchmark's tables, and each benchmark once on little."""

import importlib
import os
import subprocess
import sys

import pytest
from conftest import ROOT

from bench import arithmetic
from bench.arithmetic import SIZES, bound, shared_text_flop
from bench.speed import summary


@pytest.mark.parametrize(
    ("name", "text", "image"), [("ViT-B/32", 5.96, 8.82), ("ViT-B/16", 5.96, 35.13), ("ViT-L/14", 13.30, 162.03)]
)
def test_operations_are_those_of_openais_models(name, text, image):
    # As open_clip's model profile lists them.
    assert arithmetic.text_flop(SIZES[name]) / 1e9 == pytest.approx(text, rel=1e-3)
    assert arithmetic.image_flop(SIZES[name]) / 1e9 == pytest.approx(image, rel=1e-3)


def test_sharing_prefixes_costs_less_and_bounds_the_ratio():
    size = SIZES["ViT-B/32"]
    assert shared_text_flop(size, 77) < arithmetic.text_flop(size)  # the last block alone
    assert shared_text_flop(size, 7) < shared_text_flop(size, 8)
    # Without texts the ratio is that of image encodings: two per sample and epoch against one per image.
    encodings = 2 * 5 * 188_246 / (188_246 + 118_287)
    assert bound(SIZES["ViT-L/14"], 77) < encodings < bound(size, 7)


def test_hours_follow_from_seconds():
    assert arithmetic.step_seconds(step_s=2.0, optimiser_s=1.0, batch_size=10) == pytest.approx(0.1 + 0.005)
    assert arithmetic.published_hours(3.6) == pytest.approx(941.23)
    assert arithmetic.our_hours(image_s=3.6, sample_s=0.0, tokenise_s=0.0) == pytest.approx(306.533)
    assert arithmetic.our_hours(image_s=0.0, sample_s=3.6, tokenise_s=3.6) == pytest.approx(941.23 + 376.492)


def test_a_models_columns():
    times = dict.fromkeys(("published step", "fp32 step", "bf16 step"), 2.0)
    times |= dict.fromkeys(("published optimiser", "fp32 optimiser", "bf16 optimiser", "tokenise"), 0.0)
    times |= {"published decode": 1.0, "fp32 images": 1.0, "bf16 images": 0.5}
    beside = summary(SIZES["ViT-B/32"], times, b=2, loop_b=2, positions=8, overlap=True)["hours"]
    after = summary(SIZES["ViT-B/32"], times, b=2, loop_b=2, positions=8, overlap=False)["hours"]
    assert (beside["published, h"], after["published, h"]) == ("261.5", "522.9")
    assert after["ours fp32, h"] == "346.60"
    assert after["ratio fp32"] == "1.5"
    assert after["reached by fp32"] == "18%"


def test_every_benchmark_finds_what_it_imports():
    for path in (ROOT / "bench").glob("*.py"):
        importlib.import_module(f"bench.{path.stem}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        ("speed --models tiny --batch-size 8 --repeats 1", "| tiny "),
        ("fetch_memory --rows 200", "200 rows: "),
        ("fetch_hostile --links 100 --hosts 20", "hostile / clean"),
        ("scaling --parts 5 --rows 2000", "load 2,000 samples: "),
    ],
)
def test_a_benchmark_runs(arguments, printed):
    command = [sys.executable, "-m", *f"bench.{arguments}".split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": "."})
    assert done.returncode == 0 and printed in done.stdout, done.stderr[-3000:]
