"""Time the parts of both sides, taking turns, so that whatever else the machine does meets both alike."""

import copy
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from unittest.mock import patch

import torch
from PIL import Image
from published import PublishedLoop, Triplets, normalised
from torch.utils.data import default_collate

from bench.arithmetic import Size
from bench.world import Photos, random_clip
from pipeline_lib.clip.load import CLIP, clip, preprocess
from pipeline_lib.clip.text_tower import encode_captions, plan_texts
from pipeline_lib.clip.tokenizer import tokenize
from pipeline_lib.clip.training import PRECISIONS
from pipeline_lib.features import encode
from pipeline_lib.finetune.trainer import Recipe, Trainer
from pipeline_lib.formats.images import read_tars
from pipeline_lib.jobs.progress import progress

RECIPE = {"loss": "conclip", "epochs": 1, "lr": 1e-6, "weight_decay": 0.2, "warmup_steps": 50}
LOOP_ITEMS = 16  # of SugarCREPE, done one by one
IMAGES_PER_BATCH = 256  # config features.batch_size
IMAGES_ON_GPU = (400, 2_400)
STEPS_ON_GPU = 20  # per round: launched one after the other, as in a run
PHOTOS_ALONE = 16  # at most, of which decoding and image tower are timed alone


def medians(what: str, parts: dict[str, Callable[[], object]], repeats: int, device: torch.device) -> dict[str, float]:
    """Return the median seconds of each part over rounds in which every part has its turn; the first is a warm-up."""
    seconds = {name: [] for name in parts}
    for _ in progress(range(repeats + 1), what, "rounds"):
        for name, part in parts.items():
            synchronise(device)
            start = time.perf_counter()
            part()
            synchronise(device)
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values[1:]) for name, values in seconds.items()}


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize()


class Contest:
    """The published loop and ours, in each precision of the device, on the same samples with the same model.

    `pairs` are captions with negated captions, enough for a batch per round. The published loop takes so long that it
    gets fewer samples per step on a CPU, `loop_batch_size`. On both sides `threads` processes decode images; those of
    the published loop are taken to cost nothing themselves.
    """

    def __init__(
        self,
        size: Size,
        photos: Photos,
        pairs: list[tuple[str, str]],
        batch_size: int,
        loop_batch_size: int,
        threads: int,
        repeats: int,
        device: torch.device,
    ) -> None:
        self.photos, self.pairs, self.batch_size, self.threads, self.device = photos, pairs, batch_size, threads, device
        self.repeats, on_gpu = repeats, device.type == "cuda"
        self.precisions = PRECISIONS if on_gpu else PRECISIONS[:2]
        self.steps = STEPS_ON_GPU if on_gpu else 1
        # On a GPU processes start for longer than they decode a hundred images: a difference leaves the start out.
        self.counts = IMAGES_ON_GPU if on_gpu else (0, loop_batch_size)
        captions, negated = map(list, zip(*pairs, strict=True))
        files = [photos.files[number % len(photos.files)] for number in range(len(pairs) + 1)]
        self.triplets = Triplets(files[:-1], files[1:], captions, negated, size.image_resolution)
        model = random_clip(size).to(device)
        self.published = PublishedLoop(copy.deepcopy(model), self.triplets, batch_size=loop_batch_size, **RECIPE)
        images = normalised(torch.randn(2, len(pairs), size.embed_dim))
        samples = {"caption": tokenize(captions), "negated": tokenize(negated)}
        self.tokens = torch.cat([tokens[:batch_size] for tokens in samples.values()])
        samples |= dict(zip(("image", "distractor"), images, strict=True))
        # The same batches come again and again, so that the warm-up meets all shapes that a GPU records.
        recipe = {**RECIPE, "epochs": self.steps + 3, "batch_size": batch_size, "order": "paper", "seed": 0}
        self.ours = {
            precision: Trainer(copy.deepcopy(model), samples, Recipe(precision=precision, **recipe), device)
            for precision in self.precisions
        }
        with ThreadPoolExecutor(threads) as workers:
            self.batch = default_collate(list(workers.map(self.triplets.__getitem__, range(loop_batch_size))))

    def encode(self, tar: Path, precision: str, count: int) -> None:
        """Encode `count` images, those of a tar repeated, but for the weights' hash, which is made once per pool."""
        samples = list(islice(cycle(read_tars([tar])), count))
        with patch.object(encode, "tower_id", lambda _: ""):
            encode.encode_pool(self.ours["fp32"].model, samples, IMAGES_PER_BATCH, self.threads, precision)

    def times(self, name: str) -> dict[str, float]:
        """Return median seconds of each part: per batch; of decoding per sample, and of ``images`` per image."""
        texts = [text for pair in self.pairs[: self.batch_size] for text in pair]
        parts = {
            "published decode": lambda: [self.triplets[row] for row in range(min(PHOTOS_ALONE, len(self.pairs)))],
            "published step": lambda: self.published.step(self.batch),
            "published optimiser": self.published.optimiser.step,
            "tokenise": lambda: tokenize(texts),  # words that were met before, as most of a large corpus are
        }
        for precision, trainer in self.ours.items():
            parts[f"{precision} step"] = lambda trainer=trainer: [trainer.step() for _ in range(self.steps)]
            parts[f"{precision} optimiser"] = trainer.optimiser.step
        few, many = self.counts
        pools = {f"{precision} images": (self.photos.tar, precision) for precision in self.precisions}
        if few:
            pools["256 px images"] = (self.photos.small_tar, self.precisions[-1])
        for pool, (tar, precision) in pools.items():
            for count in filter(None, self.counts):
                parts[f"{pool} {count}"] = lambda count=count, of=(tar, precision): self.encode(*of, count)
        found = medians(name, parts, self.repeats, self.device)
        found["published decode"] /= min(PHOTOS_ALONE, len(self.pairs)) * self.threads
        for precision in self.precisions:
            found[f"{precision} step"] /= self.steps
        for pool in pools:
            found[pool] = (found[f"{pool} {many}"] - found.get(f"{pool} {few}", 0.0)) / (many - few)
        return found

    def positions(self) -> float:
        """Return how many positions are computed per caption of a batch, empty places of rows among them."""
        _, groups = plan_texts(self.tokens, self.device)
        return sum(group.tokens.numel() for group in groups) / len(self.tokens)

    def kernels(self, precision: str) -> str:
        """Return the kernels of three recorded steps on a GPU that take longest, as a table."""
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
            for _ in range(3):
                self.ours[precision].step()
            synchronise(self.device)
        return profiler.key_averages().table(sort_by="cuda_time_total", row_limit=15, max_name_column_width=60)

    def profile(self) -> dict[str, dict[str, float]]:
        """Return for each precision the seconds per image or sample of the parts of our side, each run alone."""
        transform = preprocess(self.ours["fp32"].model.visual.input_resolution)
        files, start = self.photos.files[:PHOTOS_ALONE], time.perf_counter()
        pixels = torch.stack([transform(Image.open(file)) for file in files])
        decode_s = (time.perf_counter() - start) / len(files)
        if self.device.type == "cuda":
            pixels = pixels.repeat(IMAGES_PER_BATCH // len(files), 1, 1, 1).to(self.device)
        return {precision: self._profile(precision, pixels, decode_s) for precision in self.precisions}

    def _profile(self, precision: str, pixels: torch.Tensor, decode_s: float) -> dict[str, float]:
        trainer, loss = self.ours[precision], []
        rows = trainer.plan[0]

        def image_tower() -> None:
            with torch.no_grad(), trainer.autocast:
                trainer.model.encode_image(pixels)

        parts = {
            "image tower, per image": image_tower,
            "text forward, per sample": lambda: loss.append(trainer.loss(rows)),
            "text backward, per sample": lambda: loss[-1].backward(),
            "optimiser, per sample": trainer.optimiser.step,
            "planning of rows, within forward": lambda: trainer._inputs(rows),
        }
        found = medians(f"profile in {precision}", parts, 1, self.device)
        counts = {"image tower, per image": len(pixels)}
        found = {name: value / counts.get(name, self.batch_size) for name, value in found.items()}
        return {"decode, per image and process": decode_s, **found}


def one_item_at_a_time(model: CLIP, items: list[tuple[Path, str, str]], device: torch.device) -> None:
    """Evaluate SugarCREPE's items as published evaluations do: image and both captions, item after item."""
    transform = preprocess(model.visual.input_resolution)
    with torch.no_grad():
        for file, positive, negative in items:
            image = normalised(model.encode_image(transform(Image.open(file))[None].to(device)))
            texts = normalised(model.encode_text(clip.tokenize([positive, negative]).to(device)))
            (image @ texts.T).cpu()


def sugarcrepe_times(
    size: Size, photos: Photos, texts: list[tuple[str, str]], threads: int, repeats: int, device: torch.device
) -> dict[str, float]:
    """Return median seconds of the published loop per item, and of ours per distinct image and caption.

    `texts` are a sample of the benchmark's captions with hard negatives; the loop does the first few of them.
    The photos stand for the benchmark's images.
    """
    model = random_clip(size).to(device)
    items = [(photos.files[number % len(photos.files)], *pair) for number, pair in enumerate(texts[:LOOP_ITEMS])]
    captions = [text for pair in texts for text in pair]
    parts = {
        "item": lambda: one_item_at_a_time(model, items, device),
        "image": lambda: encode.encode_pool(model, read_tars([photos.tar]), len(photos.files), threads),
        "caption": lambda: encode_captions(model, captions),
    }
    counts = {"item": len(items), "image": len(photos.files), "caption": len(set(captions))}
    return {name: value / counts[name] for name, value in medians("SugarCREPE", parts, repeats, device).items()}
