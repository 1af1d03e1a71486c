"""Time the parts of both sides, taking turns, so that whatever else the machine does meets both alike."""

import copy
import cProfile
import pstats
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from PIL import Image
from published import PublishedLoop, Triplets, normalised
from torch.utils.data import default_collate

from bench.arithmetic import Size, distinct_prefixes
from bench.world import Photos, random_clip
from pipeline_lib.clip.load import CLIP, clip, preprocess
from pipeline_lib.clip.text_tower import encode_captions
from pipeline_lib.clip.tokenizer import tokenize
from pipeline_lib.features.encode import encode_pool
from pipeline_lib.features.store import tower_id
from pipeline_lib.finetune.trainer import Recipe, Trainer
from pipeline_lib.formats.images import read_tars
from pipeline_lib.jobs.progress import progress

RECIPE = {"loss": "conclip", "epochs": 1, "lr": 1e-6, "weight_decay": 0.2, "warmup_steps": 50}
LOOP_ITEMS = 16  # of SugarCREPE, done one by one
PLANNING = ("find_prefixes", "lexsort")  # of the text tower, on the CPU


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
    """The published loop and ours, in fp32 and bf16, on the same samples with the same model.

    `pairs` are captions with negated captions, enough for a batch per round. The published loop takes so long that it
    gets fewer samples per step on a CPU, `loop_batch_size`. On both sides `threads` decode images.
    """

    def __init__(
        self,
        size: Size,
        photos: Photos,
        pairs: list[tuple[str, str]],
        batch_size: int,
        loop_batch_size: int,
        threads: int,
        device: torch.device,
    ) -> None:
        self.photos, self.pairs, self.batch_size, self.threads, self.device = photos, pairs, batch_size, threads, device
        captions, negated = map(list, zip(*pairs, strict=True))
        files = [photos.files[number % len(photos.files)] for number in range(len(pairs) + 1)]
        self.triplets = Triplets(files[:-1], files[1:], captions, negated, size.image_resolution)
        model = random_clip(size).to(device)
        self.published = PublishedLoop(copy.deepcopy(model), self.triplets, batch_size=loop_batch_size, **RECIPE)
        images = normalised(torch.randn(2, len(pairs), size.embed_dim))
        samples = {"caption": tokenize(captions), "negated": tokenize(negated)}
        self.tokens = torch.cat([tokens[:batch_size] for tokens in samples.values()])
        samples |= dict(zip(("image", "distractor"), images, strict=True))
        self.ours = {}
        for precision in ("fp32", "bf16"):
            recipe = Recipe(batch_size=batch_size, order="paper", seed=0, precision=precision, **RECIPE)
            self.ours[precision] = Trainer(copy.deepcopy(model), samples, recipe, device)
        firsts = range(0, len(pairs), loop_batch_size)
        self.rounds: Iterator[range] = iter([range(first, first + loop_batch_size) for first in firsts])
        self.batch: list[torch.Tensor] = []

    def decode(self) -> None:
        """Read the next batch as the published data loader does, with as many workers as ours has."""
        with ThreadPoolExecutor(self.threads) as workers:
            self.batch = default_collate(list(workers.map(self.triplets.__getitem__, next(self.rounds))))

    def encode(self, precision: str) -> None:
        """Encode the photos' tar."""
        samples, batch_size = read_tars([self.photos.tar]), max(1, len(self.photos.files) // 4)
        encode_pool(self.ours["fp32"].model, samples, batch_size, self.threads, precision)

    def times(self, name: str, repeats: int) -> dict[str, float]:
        """Return median seconds of each part, for a whole batch or all photos."""
        texts = [text for pair in self.pairs[: self.batch_size] for text in pair]
        parts = {
            "published decode": self.decode,
            "published step": lambda: self.published.step(self.batch),
            "published optimiser": self.published.optimiser.step,
            "tokenise": lambda: tokenize(texts),  # words that were met before, as most of a large corpus are
            "hash": lambda: tower_id(self.ours["fp32"].model),  # once per pool, within the encoding
        }
        for precision, trainer in self.ours.items():
            parts[f"{precision} images"] = lambda precision=precision: self.encode(precision)
            parts[f"{precision} step"] = trainer.step
            parts[f"{precision} optimiser"] = trainer.optimiser.step
        return medians(name, parts, repeats, self.device)

    def positions(self) -> float:
        """Return how many distinct prefixes a batch has per caption."""
        rows = [[token for token in row if token] for row in self.tokens.tolist()]
        return distinct_prefixes(rows) / len(rows)

    def profile(self, precision: str) -> dict[str, float]:
        """Return seconds per image or sample of the parts of our side, each run alone."""
        trainer, decoded, loss = self.ours[precision], [], []
        transform = preprocess(trainer.model.visual.input_resolution)
        files = self.photos.files
        rows = trainer.plan[0]

        def image_tower() -> None:
            with torch.no_grad(), trainer.autocast:
                trainer.model.encode_image(decoded[-1].to(self.device))

        parts = {
            "decode, per image and thread": lambda: decoded.append(
                torch.stack([transform(Image.open(file)) for file in files])
            ),
            "image tower, per image": image_tower,
            "text forward, per sample": lambda: loss.append(trainer.loss(rows)),
            "text backward, per sample": lambda: loss[-1].backward(),
            "optimiser, per sample": trainer.optimiser.step,
        }
        found = medians(f"profile in {precision}", parts, 1, self.device)
        found["planning of prefixes, within forward"] = seconds_within(lambda: trainer.loss(rows), PLANNING)
        return {
            name: value / (len(files) if name.endswith(("image", "thread")) else self.batch_size)
            for name, value in found.items()
        }


def seconds_within(work: Callable[[], object], functions: tuple[str, ...]) -> float:
    """Return the seconds that `work` spends within functions of these names."""
    profiler = cProfile.Profile()
    profiler.runcall(work)
    return sum(value[3] for (_, _, name), value in pstats.Stats(profiler).stats.items() if name in functions)


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
        "image": lambda: encode_pool(model, read_tars([photos.tar]), len(photos.files), threads),
        "caption": lambda: encode_captions(model, captions),
    }
    counts = {"item": len(items), "image": len(photos.files), "caption": len(set(captions))}
    return {name: value / counts[name] for name, value in medians("SugarCREPE", parts, repeats, device).items()}
