"""How much room and time a run takes, roughly: counts times rates that were measured elsewhere in this repository.

Nothing here affects a result. Each rate says where it comes from; the counts come from the registry and the
configuration. Expect factors of two.

Room: links × share alive × bytes of an image, again for the share that becomes CC-Neg; features are images × dimensions
× 4 bytes per backbone, checkpoints parameters × 4 bytes. Time: images and samples × milliseconds on the two cores of
``docs/speed.md``; links of the largest host at the configured pace. `features_mb` is the memory of a job.
"""

from typing import NamedTuple

from pipeline_lib.finetune.terms import needs_distractors
from pipeline_lib.preflight.requirements import Requirements

ALIVE = 0.65  # of CC3M's links: 55 to 70 % in public reports of 2024 to 2026
LARGEST_HOST = 0.14  # of CC3M's links are on one host (config/paper.yaml)
NEGATED = 0.30  # of captions that the rules negate at the paper's captions.min_quality (docs/captions.md)
IMAGE_BYTES = {256: 30_000, None: 155_000}  # JPEG at 256 pixels, 29.9 GB per million (img2dataset); as hosts serve it
ROW_BYTES = 2_000  # of a sample's JSON, tar headers and table rows
CAPTION_BYTES = 85  # of a row of captions/*.parquet
SCORE_BYTES = 30  # of a row of evaluate/*/*.parquet
CAPTIONS_PER_S = 2_100  # one process (docs/captions.md)
DECODED_PER_S = 190  # images fetched, decoded and resized, one job (docs/fetching.md: 378 by two)


class Size(NamedTuple):
    """What one kind of model weighs and takes; times on two cores, fp32 (docs/speed.md)."""

    dimensions: int
    parameters: int
    trained: int  # parameters of the text tower
    image_ms: float  # decode and encode
    sample_ms: float  # a training step, per sample
    caption_ms: float  # text features
    image_mb: float  # memory of an image in a batch on a CPU: file, pixels, activations; from batches of two sizes


SIZES = {  # parameters: open_clip's model profiles; the ResNets' times are ViT-B/16's, an upper bound
    "RN50": Size(1024, 102_007_137, 63_690_000, 265, 33, 7, 15),
    "RN101": Size(512, 119_688_033, 63_430_000, 265, 33, 7, 15),
    "ViT-B/32": Size(512, 151_277_313, 63_430_000, 87, 33, 7, 6),
    "ViT-B/16": Size(512, 149_620_737, 63_430_000, 265, 33, 7, 13),
    "ViT-L/14": Size(768, 427_616_513, 123_650_000, 1_085, 69, 15, 27),
}
SMALL = Size(128, 8_000_000, 7_000_000, 3, 3.6, 0.3, 2)  # a CLIP of the miniature, 64 pixels

# Memory, measured on 2026-11-28: torch alone takes 340 MB without a GPU; beside one CUDA keeps more, not measured here.
TORCH_MB = 2000
# What a process that decodes has of its own: 9 MB for COCO's photos, 61 MB at 12 megapixels, 277 MB at `MAX_PIXELS`.
DECODER_MB = 100


def size_of(backbones: dict[str, dict], name: str) -> Size:
    """Return the size of one of `backbones`; a published checkpoint has that of the CLIP beside which it is listed."""
    entry = backbones[name]
    if "backbone" in entry:
        return size_of(backbones, entry["backbone"])
    return SMALL if entry["source"] == "pretrain" else SIZES[entry.get("released", "ViT-B/32")]


def features_mb(size: Size, batch_size: int, decoders: int) -> int:
    """Return the memory to ask for to encode images: torch, the weights twice while they load, a batch, processes."""
    return round(TORCH_MB + 8e-6 * size.parameters + batch_size * size.image_mb + decoders * DECODER_MB)


class Cost(NamedTuple):
    """What a stage takes; `basis` are the counts behind it."""

    stage: str
    bytes: int  # on disk when it is done
    hours: float | None  # on two cores without a GPU; None where the stage takes next to nothing
    basis: str


class Estimate:
    """Disk and time by stage, from the rows of the captions file and the images of each pool, 0 if unknown."""

    def __init__(self, config: dict, needs: Requirements, links: int, images: dict[str, int]) -> None:
        self.config, self.needs, self.images = config, needs, images
        self.sizes = {name: size_of(needs.backbones, name) for name in needs.backbones}
        if release := config["shards"]["released"]:
            self.links, self.samples = 0, release["count"]
            self.trained = release["count"] - release["eval_last"]
        else:
            self.links, self.samples = links, round(links * ALIVE * NEGATED)
            self.trained = round(self.samples * (1 - config["shards"]["eval_share"]))

    def by_stage(self) -> list[Cost]:
        """Return what each stage takes."""
        pixels = self.config["fetch"]["image_size"]
        image_bytes = ROW_BYTES + (IMAGE_BYTES[None] if pixels is None else IMAGE_BYTES[256] * pixels**2 // 256**2)
        samples = f"{self.samples:,} samples, {self.trained:,} to train on"
        weights = sum(size.parameters * 4 for size in self.sizes.values())
        return [
            *(self._own_ccneg(image_bytes) if self.links else []),
            Cost("CC-Neg", self.samples * image_bytes, None, samples),
            Cost("backbones", weights, None, f"{len(self.sizes)} models"),
            self._features(),
            self._finetuning(),
            self._evaluation(),
        ]

    def _own_ccneg(self, image_bytes: int) -> list[Cost]:
        """Fetching is bound by the pace at the largest host, or else by decoding."""
        alive, pace = self.links * ALIVE, self.config["fetch"]["requests_per_second_per_host"]
        fetch_s = max(alive / DECODED_PER_S, self.links * LARGEST_HOST / pace if pace else 0)
        captions_s = self.links / CAPTIONS_PER_S
        links, captions = f"{self.links:,} links, {ALIVE:.0%} alive; one job", f"{self.links:,} captions; one process"
        return [
            Cost("fetch", round(alive * image_bytes), fetch_s / 3600, links),
            Cost("captions", self.links * CAPTION_BYTES, captions_s / 3600, captions),
        ]

    def _features(self) -> Cost:
        encoded = {name: self._encoded(name) for name in self.sizes}
        room = sum(count * self.sizes[name].dimensions * 4 for name, count in encoded.items())
        image_ms = sum(count * self.sizes[name].image_ms for name, count in encoded.items())
        basis = f"{sum(encoded.values()):,} images, each once per backbone that needs it"
        return Cost("features", room, image_ms / 3.6e6, basis)

    def _encoded(self, name: str) -> int:
        """How many images a backbone encodes; one with the image tower of its CLIP takes that one's features."""
        needs = self.needs
        if needs.backbones[name].get("image_tower") == "backbone":
            return 0
        rows = [row for row in needs.finetuned.values() if row["backbone"] == name]
        benchmarks = needs.benchmark_entries.items()
        pools = {entry["pool"] for benchmark, entry in benchmarks if name in needs.evaluated(benchmark)}
        if name in needs.evaluated("zeroshot"):
            pools |= {*self.config["evaluate"]["zeroshot"]["datasets"]}
        if name == self.config["distractors"]["backbone"] or any(needs_distractors(row["loss"]) for row in rows):
            pools.add("distractors")
        if any(row["negatives"] == "crepe" for row in rows):
            pools.add("crepe")
        trained = any(row["negatives"] == "ccneg" for row in rows)
        ccneg = self.samples if trained else self.samples - self.trained
        return ccneg + sum(self.images.get(pool, 0) for pool in pools)

    def _finetuning(self) -> Cost:
        """A checkpoint per model, and one state to resume from: weights, gradients and AdamW's two moments."""
        rows = list(self.needs.finetuned.values())
        samples = {"ccneg": self.trained, "crepe": self.images.get("crepe", 0)}
        epochs = [row["epochs"] or self.config["finetune"]["epochs"] for row in rows]
        step_ms = sum(
            samples[row["negatives"]] * times * self.sizes[row["backbone"]].sample_ms
            for row, times in zip(rows, epochs, strict=True)
        )
        state = max((self.sizes[row["backbone"]].trained * 12 for row in rows), default=0)
        room = sum(self.sizes[row["backbone"]].parameters * 4 for row in rows) + state
        return Cost("fine-tuning", room, step_ms / 3.6e6, f"{len(rows)} models, {sum(epochs)} epochs in all")

    def _evaluation(self) -> Cost:
        """Two texts per item; the prompts of a labelled set are few beside them."""
        needs, zeroshot = self.needs, self.config["evaluate"]["zeroshot"]
        images = sum(self.images.get(name, 0) for name in zeroshot["datasets"])
        items = {"ccneg": self.samples - self.trained, "zeroshot": images * len(zeroshot["prompts"])}
        for name, entry in needs.benchmark_entries.items():  # published counts, which may be by part or unknown
            count = entry.get("count")
            items[name] = sum(count.values()) if isinstance(count, dict) else count or 0
        scored = [(benchmark, model) for benchmark in items for model in needs.evaluated(benchmark)]
        text_ms = sum(
            2 * items[benchmark] * self.sizes[needs.backbone_of(model)].caption_ms
            for benchmark, model in scored
            if benchmark != "zeroshot" and needs.backbone_of(model) in self.sizes
        )
        room = sum(items[benchmark] for benchmark, _ in scored) * SCORE_BYTES
        models = len({model for _, model in scored})
        return Cost("evaluate", room, text_ms / 3.6e6, f"{models} models, up to {sum(items.values()):,} items each")
