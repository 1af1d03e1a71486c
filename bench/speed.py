"""Time the published fine-tuning loop and ours in one run, on models of the paper's sizes; print Markdown tables.

::

    make bench                                        # the paper's three sizes, about a quarter of an hour on two cores
    make bench FLAGS="--models tiny --batch-size 8"   # to try it, a quarter of a minute
    make bench FLAGS="--device cuda"                  # at the paper's batch size, against our fp32, bf16 and fp16

Weights are random and photos generated, so nothing is downloaded; captions are the miniature's unless a captions file
is named. What takes hours is computed from measured parts and says so (`bench.arithmetic`).
"""

import argparse
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch

from bench import arithmetic
from bench.arithmetic import BATCH_SIZE, EPOCHS, POOL, SAMPLES, SIZES, Size
from bench.measure import Contest, sugarcrepe_times
from bench.world import Photos, make_photos, negated_pairs, processor, table
from pipeline_lib.clip.training import PRECISIONS
from pipeline_lib.evaluate.kinds import read_annotations
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.cores import usable_cores
from pipeline_lib.jobs.files import write_text

LOOP_BATCH_SIZES = {"ViT-B/32": 24, "ViT-B/16": 16, "ViT-L/14": 6, "tiny": 48}  # so that the run ends in a quarter hour
SUGARCREPE_MODEL, SUGARCREPE_PHOTOS, SUGARCREPE_SAMPLE = "ViT-B/32", 32, 500


def summary(
    size: Size, times: dict[str, float], b: int, loop_b: int, positions: float, overlap: bool
) -> dict[str, dict]:
    """Return a model's columns of the tables of hours and of measured parts.

    `times` are `Contest.times`, at `b` samples per step of ours and `loop_b` of the published loop; `positions` those
    computed per caption. With `overlap` decoding goes on beside the published loop's step, as on a GPU; else
    both take the same cores.
    """
    decode_s = times["published decode"]
    loop_s = arithmetic.step_seconds(times["published step"], times["published optimiser"], loop_b)
    tokenise_s = times["tokenise"] / (2 * b)
    published_h = arithmetic.published_hours(max(decode_s, loop_s) if overlap else decode_s + loop_s)
    limit = arithmetic.bound(size, positions)
    hours = {"published, h": f"{published_h:,.1f}"}
    parts = {
        "samples per step: published, ours": f"{loop_b}, {b}",
        "published: decode two images, ms per sample": f"{1000 * decode_s:.2f}",
        "published: step, ms per sample": f"{1000 * loop_s:.2f}",
        "ours: tokenise, ms per caption": f"{1000 * tokenise_s:.3f}",
        "ours: positions computed per caption": f"{positions:.1f}",
    }
    for precision in (precision for precision in PRECISIONS if f"{precision} step" in times):
        image_s = times[f"{precision} images"]
        sample_s = arithmetic.step_seconds(times[f"{precision} step"], times[f"{precision} optimiser"], b)
        ours_h = arithmetic.our_hours(image_s, sample_s, tokenise_s)
        hours[f"ours {precision}, h"] = f"{ours_h:,.2f}"
        hours[f"ratio {precision}"] = f"{published_h / ours_h:.1f}"
        if precision == "fp32":
            hours["bound by arithmetic"] = f"{limit:.1f}"
            hours["reached by fp32"] = f"{published_h / ours_h / limit:.0%}"
        parts[f"ours {precision}: decode and encode, ms per image"] = f"{1000 * image_s:.2f}"
        parts[f"ours {precision}: step, ms per sample"] = f"{1000 * sample_s:.2f}"
        parts[f"ours {precision}: step of {b}, ms"] = f"{1000 * times[f'{precision} step']:.2f}"
        parts[f"ours {precision}: images/s"] = f"{1 / image_s:,.0f}"
    if "256 px images" in times:
        parts["ours: images/s from 256 px"] = f"{1 / times['256 px images']:,.0f}"
    return {"hours": hours, "parts": parts}


def sugarcrepe_section(folder: Path, repeats: int, threads: int, device: torch.device, photos: Photos) -> str:
    """Measure the evaluation on SugarCREPE; return its section."""
    rows = read_annotations("sugarcrepe", folder)
    distinct_captions = len({caption for row in rows for caption in row.captions})
    distinct_images = len({row.columns["key"] for row in rows})
    texts = [tuple(row.captions) for row in rows[:: max(1, len(rows) // SUGARCREPE_SAMPLE)]]
    size = SIZES[SUGARCREPE_MODEL]
    found = sugarcrepe_times(size, photos, texts, threads, repeats, device)
    published_s = len(rows) * found["item"]
    ours_s = distinct_images * found["image"] + distinct_captions * found["caption"]
    row = {
        "items": f"{len(rows):,}",
        "images": f"{distinct_images:,}",
        "captions": f"{distinct_captions:,} of {2 * len(rows):,}",
        "one by one, ms/item": f"{1000 * found['item']:.1f}",
        "ours, ms/image": f"{1000 * found['image']:.1f}",
        "ours, ms/caption": f"{1000 * found['caption']:.2f}",
        "one by one, s": f"{published_s:,.0f}",
        "ours, s": f"{ours_s:,.0f}",
        "ratio": f"{published_s / ours_s:.1f}",
    }
    return (
        f"SugarCREPE with {SUGARCREPE_MODEL} in fp32; times per item, image and caption are measured on a part, the "
        f"seconds for all computed from them.\n\n{table([row])}"
    )


def by_part(columns: dict[str, dict[str, str]]) -> str:
    """Return named columns with the same keys as a table with a row for each key."""
    return table(pd.DataFrame(columns).rename_axis("part").reset_index())


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", nargs="+", choices=SIZES, default=[name for name in SIZES if name != "tiny"])
    parser.add_argument("--batch-size", type=int, default=BATCH_SIZE, help=f"of a step [{BATCH_SIZE}, as the paper]")
    parser.add_argument("--loop-batch-size", type=int, help="of the published loop [the same; on a CPU less]")
    parser.add_argument("--repeats", type=int, help="rounds after a warm-up; medians are reported [3; on a GPU 1]")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=usable_cores(), help="of decoding, and on a CPU of torch")
    parser.add_argument("--captions", type=Path, help="captions file (caption TAB url) instead of the miniature's")
    parser.add_argument("--sugarcrepe", type=Path, help="folder of the seven files, for the evaluation's times")
    parser.add_argument("--output", type=Path, help="Markdown file to write, beside printing it")
    return parser.parse_args()


def main() -> None:
    """Run the benchmark that the command line asks for."""
    args = parse_arguments()
    start, device = time.monotonic(), torch.device(args.device)
    on_gpu = device.type == "cuda"
    torch.set_num_threads(1 if on_gpu else args.threads)  # the cores decode; a job on a GPU has one thread too
    hours, parts, profile = [], {}, {}
    b, repeats = args.batch_size, args.repeats or (1 if on_gpu else 3)
    with tempfile.TemporaryDirectory() as folder:
        photos = make_photos(Path(folder), max(LOOP_BATCH_SIZES.values()))
        for name in args.models:
            loop_b = args.loop_batch_size or (b if on_gpu else min(b, LOOP_BATCH_SIZES[name]))
            pairs = negated_pairs(args.captions, max(b, loop_b) * (repeats + 1))
            contest = Contest(SIZES[name], photos, pairs, b, loop_b, args.threads, repeats, device)
            columns = summary(SIZES[name], contest.times(name), b, loop_b, contest.positions(), overlap=on_gpu)
            hours.append({"model": name, **columns["hours"]})
            parts[name] = columns["parts"]
            alone = {
                f"{name} {precision}": {part: f"{1000 * seconds:.2f}" for part, seconds in found.items()}
                for precision, found in contest.profile().items()
            }
            profile |= alone
            if on_gpu:
                print(f"Three steps in {contest.precisions[-1]}:\n{contest.kernels(contest.precisions[-1])}")
            print(f"{table(hours[-1:])}\n\n{by_part({name: parts[name]})}\n\n{by_part(alone)}\n", flush=True)
        evaluation = "SugarCREPE: not measured, since its annotations were not given (`--sugarcrepe FOLDER`)."
        if args.sugarcrepe:
            photos = make_photos(Path(folder), SUGARCREPE_PHOTOS)
            evaluation = sugarcrepe_section(args.sugarcrepe, repeats, args.threads, device, photos)
    where = torch.cuda.get_device_name() if args.device == "cuda" else f"{args.threads} threads, {processor()}"
    text = "\n\n".join(
        [
            f"{time.strftime('%Y-%m-%d')}, {where}, torch {torch.__version__}; published loop in "
            f"{'fp16' if on_gpu else 'fp32'}, captions {args.captions.name if args.captions else 'of the miniature'}, "
            f"medians of {repeats}.",
            f"Hours of the paper's fine-tuning, {EPOCHS} epochs of {SAMPLES:,} samples and {POOL:,} images to choose "
            f"distractors from: computed from the measured parts below.",
            table(hours),
            f"Measured parts; a step's time is that at the paper's batch of {BATCH_SIZE}, over which the measured "
            "optimiser is spread.",
            by_part(parts),
            "Where our time goes: ms of each part alone, at the measured batch.",
            by_part(profile),
            evaluation,
            f"The benchmark took {(time.monotonic() - start) / 60:.1f} minutes.",
        ]
    )
    print(text)
    if args.output:
        write_text(args.output, text + "\n")


if __name__ == "__main__":
    run(main)
