"""What benchmarks run on: models with random weights, generated photos, captions with negated captions."""

import io
import platform
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageDraw, ImageFilter

from bench.arithmetic import Size
from pipeline_lib.backbones.pretrain import build
from pipeline_lib.captions.rules.backend import RuleBackend
from pipeline_lib.clip.load import CLIP
from pipeline_lib.formats.cc3m import Part, Row
from pipeline_lib.formats.pixels import encoded
from pipeline_lib.formats.tars import write_samples
from pipeline_lib.miniature import sample_scene
from pipeline_lib.miniature.describe import caption

WORD_WEIGHTS = {"no": 1.0, "not": 1.0, "without": 1.0}


def random_clip(size: Size) -> CLIP:
    """Return a CLIP of a size with random weights, in evaluation mode."""
    torch.manual_seed(0)
    return build(size._asdict()).eval()


def photo(rng: np.random.Generator, quality: int = 82) -> bytes:
    """Return a JPEG of 640 × 480 pixels, by default of about 110 KB: soft colours, sharp shapes, fine grain."""
    soft = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((640, 480), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(soft)
    for x, y, width, height, *colour in rng.integers(0, (640, 480, 160, 120, 256, 256, 256), (25, 7)).tolist():
        draw.ellipse((x, y, x + width + 4, y + height + 4), fill=tuple(colour))
    grain = rng.normal(0, 16, (480, 640, 1))
    pixels = np.clip(np.asarray(soft.filter(ImageFilter.GaussianBlur(1))) + grain, 0, 255).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=quality)
    return content.getvalue()


@dataclass
class Photos:
    """The same photos as files, which the published loop opens, and as tars, which ours reads.

    In `small_tar` their shorter side is 256 pixels, as in shards.
    """

    files: list[Path]
    tar: Path
    small_tar: Path


def make_photos(folder: Path, count: int) -> Photos:
    """Write `count` photos into a folder."""
    rng = np.random.default_rng(0)
    contents = [photo(rng) for _ in range(count)]
    files = [folder / f"{number:09d}.jpg" for number in range(count)]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    tar, small_tar = folder / "photos.tar", folder / "small.tar"
    write_samples(tar, ((file.stem, {"jpg": content}) for file, content in zip(files, contents, strict=True)))
    shrunk = [Image.open(file).resize((341, 256), Image.Resampling.BICUBIC) for file in files]
    small = [encoded(one, "JPEG", quality=95) for one in shrunk]
    write_samples(small_tar, ((file.stem, {"jpg": content}) for file, content in zip(files, small, strict=True)))
    return Photos(files, tar, small_tar)


def negated_pairs(captions: Path | None, count: int) -> list[tuple[str, str]]:
    """Return captions with their negated captions, by the rules of the captions stage.

    They come from a captions file, ``caption TAB url``, or else from the miniature. A `ValueError` if it has too few
    captions that can be negated.
    """
    rng = Random(0)
    if captions is None:
        rows = [Row(f"{n:09d}", caption(sample_scene(rng), rng), "", None) for n in range(2 * count)]
    else:
        rows = list(Part(captions))
        rng.shuffle(rows)
        rows = rows[: 4 * count]
    negated = (row for row in RuleBackend("lexicon", 0, WORD_WEIGHTS).negate(rows) if row["status"] == "negated")
    pairs = [(row["caption"], row["negated_caption"].replace(",", "")) for row in negated]
    if len(pairs) < count:
        raise ValueError(
            f"{captions}: expected {count} captions that can be negated, found {len(pairs)} of {len(rows)}"
        )
    return pairs[:count]


def emptied(folder: Path) -> Path:
    """Return a folder without the files of an earlier run."""
    folder.mkdir(exist_ok=True)
    for file in folder.iterdir():
        if file.is_file():
            file.unlink()
    return folder


def table(rows: list[dict[str, str]] | pd.DataFrame) -> str:
    """Return rows with the same keys as a Markdown table."""
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def processor() -> str:
    """Return the name of the CPU."""
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
