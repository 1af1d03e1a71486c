"""How much room and time a run takes, roughly: counts times rates that were measured elsewhere in this repository.

Nothing here affects a result. Each rate says where it comes from; the counts come from the registry and the
configuration. Expect factors of two.

Room: links × share alive × bytes of an image, again for the share that becomes CC-Neg; features are images × dimensions
× 4 bytes per backbone, checkpoints parameters × 4 bytes. Time: images and samples × milliseconds on the two cores of
``docs/speed.md``; links of the largest host at the configured pace.
"""

from typing import NamedTuple

from pipeline_lib.finetune.terms import needs_distractors
from pipeline_lib.preflight.needs import Needs

ALIVE = 0.65  # of CC3M's links: 55 to 70 % in public reports of 2024 to 2026
LARGEST_HOST = 0.14  # of CC3M's links are on one host (config/paper.yaml)
NEGATED = 0.41  # of captions that the rules negate at the paper's captions.min_quality (docs/captions.md)
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


SIZES = {  # parameters: open_clip's model profiles; the ResNets' times are ViT-B/16's, an upper bound
    "RN50": Size(1024, 102_007_137, 63_690_000, 270, 38, 7),
    "RN101": Size(512, 119_688_033, 63_430_000, 270, 38, 7),
    "ViT-B/32": Size(512, 151_277_313, 63_430_000, 85, 39, 7),
    "ViT-B/16": Size(512, 149_620_737, 63_430_000, 270, 38, 7),
    "ViT-L/14": Size(768, 427_616_513, 123_650_000, 1_525, 86, 15),
}
SMALL = Size(128, 8_000_000, 7_000_000, 3, 3.6, 0.3)  # a CLIP of the miniature, 64 pixels


class Cost(NamedTuple):
    """What a stage takes.

    Attributes
    ----------
    stage : str
        Its name.
    bytes : int
        On disk when it is done.
    hours : float or None
        On two cores without a GPU; None where the stage takes next to nothing.
    basis : str
        The counts behind it.
    """

    stage: str
    bytes: int
    hours: float | None
    basis: str


def _size(name: str, needs: Needs) -> Size:
    """The size of a backbone; a published checkpoint has that of the CLIP beside which it is listed."""
    entry = needs.backbones[name]
    if "backbone" in entry:
        return _size(entry["backbone"], needs)
    return SMALL if entry["source"] == "pretrain" else SIZES[entry.get("released", "ViT-B/32")]


class _Counts(NamedTuple):
    links: int
    samples: int
    trained: int
    images: dict[str, int]  # of each pool, 0 where unknown


def costs(config: dict, needs: Needs, links: int, images: dict[str, int]) -> list[Cost]:
    """Estimate room and time by stage.

    Parameters
    ----------
    config : dict
        The checked configuration.
    needs : Needs
        Of that configuration.
    links : int
        Rows of the captions file.
    images : dict of str to int
        Images of each pool, 0 where unknown.
    """
    if release := config["shards"]["released"]:
        counts = _Counts(0, release["count"], release["count"] - release["eval_last"], images)
    else:
        samples = round(links * ALIVE * NEGATED)
        counts = _Counts(links, samples, round(samples * (1 - config["shards"]["eval_share"])), images)
    sizes = {name: _size(name, needs) for name in needs.backbones}
    return [
        *(_own_ccneg(config, counts) if counts.links else []),
        Cost(
            "CC-Neg",
            counts.samples * _bytes_per_image(config),
            None,
            f"{counts.samples:,} samples, {counts.trained:,} to train on",
        ),
        Cost("backbones", sum(size.parameters * 4 for size in sizes.values()), None, f"{len(sizes)} models"),
        _features(config, needs, counts, sizes),
        _finetuning(config, needs, counts, sizes),
        _evaluation(config, needs, counts, sizes),
    ]


def _bytes_per_image(config: dict) -> int:
    pixels = config["fetch"]["image_size"]
    return ROW_BYTES + (IMAGE_BYTES[None] if pixels is None else IMAGE_BYTES[256] * pixels**2 // 256**2)


def _own_ccneg(config: dict, counts: _Counts) -> list[Cost]:
    """Fetching is bound by the pace at the largest host, or else by decoding."""
    alive, pace = counts.links * ALIVE, config["fetch"]["requests_per_second_per_host"]
    seconds = max(alive / DECODED_PER_S, counts.links * LARGEST_HOST / pace if pace else 0)
    basis = f"{counts.links:,} links, {ALIVE:.0%} alive; one job"
    return [
        Cost("fetch", round(alive * _bytes_per_image(config)), seconds / 3600, basis),
        Cost(
            "captions",
            counts.links * CAPTION_BYTES,
            counts.links / CAPTIONS_PER_S / 3600,
            f"{counts.links:,} captions; one process",
        ),
    ]


def _features(config: dict, needs: Needs, counts: _Counts, sizes: dict[str, Size]) -> Cost:
    encoded = {name: _encoded(name, config, needs, counts) for name in sizes}
    return Cost(
        "features",
        sum(count * sizes[name].dimensions * 4 for name, count in encoded.items()),
        sum(count * sizes[name].image_ms for name, count in encoded.items()) / 3.6e6,
        f"{sum(encoded.values()):,} images, each once per backbone that needs it",
    )


def _encoded(name: str, config: dict, needs: Needs, counts: _Counts) -> int:
    """How many images a backbone encodes; one with the image tower of its CLIP takes that one's features."""
    if needs.backbones[name].get("image_tower") == "backbone":
        return 0
    rows = [row for row in needs.finetuned.values() if row["backbone"] == name]
    pools = {entry["pool"] for entry in needs.benchmark_entries if name in needs.evaluated(entry["name"])}
    if name in needs.evaluated("zeroshot"):
        pools |= {entry["name"] for entry in config["evaluate"]["zeroshot"]["datasets"]}
    if name == config["distractors"]["backbone"] or any(needs_distractors(row["loss"]) for row in rows):
        pools.add("distractors")
    if any(row["negatives"] == "crepe" for row in rows):
        pools.add("crepe")
    trained = any(row["negatives"] == "ccneg" for row in rows)
    ccneg = counts.samples if trained else counts.samples - counts.trained
    return ccneg + sum(counts.images.get(pool, 0) for pool in pools)


def _finetuning(config: dict, needs: Needs, counts: _Counts, sizes: dict[str, Size]) -> Cost:
    """A checkpoint per model, and one state to resume from: weights, gradients and AdamW's two moments."""
    rows = list(needs.finetuned.values())
    samples = {"ccneg": counts.trained, "crepe": counts.images.get("crepe", 0)}
    epochs = config["finetune"]["epochs"]
    step_ms = sum(samples[row["negatives"]] * epochs * sizes[row["backbone"]].sample_ms for row in rows)
    state = max((sizes[row["backbone"]].trained * 12 for row in rows), default=0)
    room = sum(sizes[row["backbone"]].parameters * 4 for row in rows) + state
    return Cost("fine-tuning", room, step_ms / 3.6e6, f"{len(rows)} models, {epochs} epochs")


def _items(count: int | dict[str, int] | None) -> int:
    """A benchmark's items, by its published count, which may be by part; 0 where it is not known."""
    return sum(count.values()) if isinstance(count, dict) else count or 0


def _evaluation(config: dict, needs: Needs, counts: _Counts, sizes: dict[str, Size]) -> Cost:
    """Two texts per item; the prompts of a labelled set are few beside them."""
    zeroshot = config["evaluate"]["zeroshot"]
    images = sum(counts.images.get(entry["name"], 0) for entry in zeroshot["datasets"])
    items = {
        "ccneg": counts.samples - counts.trained,
        "zeroshot": images * len(zeroshot["prompts"]),
        **{entry["name"]: _items(entry["count"]) for entry in needs.benchmark_entries},
    }
    scored = [(benchmark, model) for benchmark in items for model in needs.evaluated(benchmark)]
    text_ms = sum(
        2 * items[benchmark] * sizes[needs.backbone_of(model)].caption_ms
        for benchmark, model in scored
        if benchmark != "zeroshot" and needs.backbone_of(model) in sizes
    )
    room = sum(items[benchmark] for benchmark, _ in scored) * SCORE_BYTES
    models = len({model for _, model in scored})
    return Cost("evaluate", room, text_ms / 3.6e6, f"{models} models, up to {sum(items.values()):,} items each")
