"""What the published loop and ours cost by arithmetic: floating-point operations, and hours from measured parts.

A block of a transformer of width w takes 24 w² operations per position for its matrices (queries, keys and values 6,
projection 2, perceptron 16) and 4 t w for its attention to t positions; a backward pass twice the forward pass. CLIP
computes 77 positions per caption. Ours computes a prefix that captions share once, and in the last block projection
and perceptron (18 w²) only at the end of each caption.
"""

from typing import NamedTuple

CONTEXT_LENGTH = 77
TRAINING = 3  # forward and backward, in forward passes
EPOCHS, BATCH_SIZE = 5, 200  # paper, section 4
SAMPLES, POOL = 188_246, 118_287  # CC-Neg's training split; COCO train2017, the distractors' pool


class Size(NamedTuple):
    """Size of a CLIP with a ViT, named as `pipeline_lib.backbones.pretrain.build` does."""

    embed_dim: int
    image_resolution: int
    vision_patch_size: int
    vision_width: int
    vision_layers: int
    transformer_width: int
    transformer_layers: int


SIZES = {
    "ViT-B/32": Size(512, 224, 32, 768, 12, 512, 12),
    "ViT-B/16": Size(512, 224, 16, 768, 12, 512, 12),
    "ViT-L/14": Size(768, 224, 14, 1024, 24, 768, 12),
    "tiny": Size(64, 64, 16, 64, 2, 64, 2),  # to try the benchmark itself
}


def image_flop(size: Size) -> float:
    """Operations of one image's forward pass."""
    patches = (size.image_resolution // size.vision_patch_size) ** 2
    width, positions = size.vision_width, patches + 1
    embedding = 2 * patches * 3 * size.vision_patch_size**2 * width
    return embedding + size.vision_layers * (24 * width**2 + 4 * positions * width) * positions


def text_flop(size: Size) -> float:
    """Operations of one caption's forward pass over all 77 positions."""
    width = size.transformer_width
    return size.transformer_layers * (24 * width**2 + 4 * CONTEXT_LENGTH * width) * CONTEXT_LENGTH


def shared_text_flop(size: Size, positions: float) -> float:
    """Operations of one caption's forward pass where `positions` are computed per caption."""
    width = size.transformer_width
    # Attention is counted at its least, over the computed positions.
    block = (24 * width**2 + 4 * positions * width) * positions
    last = (6 * width**2 + 4 * positions * width) * positions + 18 * width**2
    return (size.transformer_layers - 1) * block + last


def bound(size: Size, positions: float) -> float:
    """Published operations over ours: the most that a ratio of times can be if both ran equally well."""
    published = EPOCHS * SAMPLES * (2 * image_flop(size) + 2 * TRAINING * text_flop(size))
    text = EPOCHS * SAMPLES * 2 * TRAINING * shared_text_flop(size, positions)
    return published / ((SAMPLES + POOL) * image_flop(size) + text)


def step_seconds(step_s: float, optimiser_s: float, batch_size: int) -> float:
    """Seconds per sample at the paper's batch size, from a step measured at `batch_size` and the optimiser in it.

    The optimiser costs the same at any batch size.
    """
    return (step_s - optimiser_s) / batch_size + optimiser_s / BATCH_SIZE


def published_hours(sample_s: float) -> float:
    """Hours of the paper's run from the seconds per sample of a step, decoding and image encodings in it."""
    return EPOCHS * SAMPLES * sample_s / 3600


def our_hours(image_s: float, sample_s: float, tokenise_s: float) -> float:
    """Hours of the same run from seconds per image, per sample of a step, and per tokenised caption."""
    return ((SAMPLES + POOL) * image_s + 2 * SAMPLES * tokenise_s + EPOCHS * SAMPLES * sample_s) / 3600
