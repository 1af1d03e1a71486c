"""The fine-tuning loop as published, slow and obvious: what the pipeline is proved and timed against.

Every epoch opens both images of every sample, runs CLIP's preprocess, encodes them with the frozen image tower, encodes
the caption and the negated caption over all 77 positions, and takes one step of AdamW (paper, section 4). Nothing is
remembered, shared, shortened or reordered. On a GPU under fp16 autocast with a gradient scaler, as the paper; on a CPU
in the precision of the model's weights: fp32, or float64 after `in_float64`. One thing is not as published: a ResNet's
BatchNorm is in evaluation mode, since `pipeline_lib.features` has it so. A ViT has none, and the paper fine-tunes ViTs.

`tests/test_proofs.py` compares the numbers, `bench` the time. Axes: b batch, d embedding.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from pipeline_lib.clip.load import CLIP, clip, preprocess


class Triplets(Dataset):
    """Samples as the published loop reads them: JPEG files and texts, row i of each of sample i, at `resolution` px."""

    def __init__(
        self, images: list[Path], distractors: list[Path], captions: list[str], negated: list[str], resolution: int
    ) -> None:
        self.images, self.distractors, self.captions, self.negated = images, distractors, captions, negated
        self.transform = preprocess(resolution)

    def __len__(self) -> int:
        return len(self.captions)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return image and distractor (3, px, px), tokens of caption and negated caption (77,)."""
        image = self.transform(Image.open(self.images[row]))
        distractor = self.transform(Image.open(self.distractors[row]))
        caption = clip.tokenize(self.captions[row])[0]
        negated = clip.tokenize(self.negated[row].replace(",", ""))[0]
        return image, distractor, caption, negated


def contrastive(queries: Tensor, right: Tensor, wrong: Tensor, scale: Tensor) -> Tensor:
    """Query i → right answer i, among all right and wrong answers; features (b, d), normalised."""
    logits = scale * queries @ torch.cat([right, wrong]).T  # (b, 2b)
    return functional.cross_entropy(logits, torch.arange(len(queries), device=queries.device))


def published_loss(
    name: str, image: Tensor, distractor: Tensor, caption: Tensor, negated: Tensor, scale: Tensor
) -> Tensor:
    """The loss of a batch, one of `LOSSES`."""
    l1 = contrastive(image, caption, negated, scale)
    l2 = contrastive(caption, image, distractor, scale)
    l3 = contrastive(distractor, negated, caption, scale)
    c2i = contrastive(caption, image, image[:0], scale)
    return {
        "l1": l1, "l2": l2, "l1+l2": (l1 + l2) / 2, "conclip": (l1 + l2 + l3) / 3,
        "l1+c2i": (l1 + c2i) / 2, "l1+l2+c2i": (l1 + l2 + c2i) / 3,
    }[name]  # fmt: skip


LOSSES = ("l1", "l2", "l1+l2", "conclip", "l1+c2i", "l1+l2+c2i")


def in_float64(model: CLIP) -> CLIP:
    """Turn a model into float64, in place; CLIP's LayerNorm rounds to fp32 inside, so torch's own takes its place."""
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.__class__ = nn.LayerNorm
    return model.double()


def normalised(features: Tensor) -> Tensor:
    """Return rows of length 1."""
    return features / features.norm(dim=-1, keepdim=True)


class PublishedLoop:
    """The loop; `run` does all of it, `forward` and `step` are its parts.

    `model` is trained in place, on the device where it is. `samples` are read in stored order, anew in each epoch; the
    last partial batch is dropped. `loss` is a key of `LOSSES`.
    """

    def __init__(
        self,
        model: CLIP,
        samples: Triplets,
        loss: str,
        epochs: int,
        batch_size: int,
        lr: float,
        weight_decay: float,
        warmup_steps: int,
    ) -> None:
        self.model, self.loss, self.epochs, self.lr, self.warmup_steps = model, loss, epochs, lr, warmup_steps
        self.device = model.logit_scale.device
        self.loader = DataLoader(samples, batch_size, shuffle=False, drop_last=True)
        self.steps, self.done = epochs * len(self.loader), 0
        model.visual.requires_grad_(False).eval()
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimiser = torch.optim.AdamW(trained, lr=lr, weight_decay=weight_decay)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.device.type == "cuda")

    def forward(self, batch: list[Tensor]) -> Tensor:
        """Return the loss of a batch of `Triplets`."""
        image, distractor, caption, negated = (part.to(self.device) for part in batch)
        with torch.autocast(self.device.type, torch.float16, enabled=self.device.type == "cuda"):
            with torch.no_grad():
                image = normalised(self.model.encode_image(image))  # (b, d), as all four
                distractor = normalised(self.model.encode_image(distractor))
            caption = normalised(self.model.encode_text(caption))
            negated = normalised(self.model.encode_text(negated))
            return published_loss(self.loss, image, distractor, caption, negated, self.model.logit_scale.exp())

    def step(self, batch: list[Tensor]) -> Tensor:
        """Do one optimiser step; return the loss before it."""
        if self.done <= self.warmup_steps:
            share = (self.done + 1) / self.warmup_steps
        else:
            share = (1 + math.cos(math.pi * (self.done - self.warmup_steps) / (self.steps - self.warmup_steps))) / 2
        for group in self.optimiser.param_groups:
            group["lr"] = self.lr * share
        self.optimiser.zero_grad()
        loss = self.forward(batch)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimiser)
        self.scaler.update()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, math.log(100))
        self.done += 1
        return loss.detach()

    def run(self) -> Iterator[float]:
        """Yield the loss of each step of each epoch."""
        for _ in range(self.epochs):
            for batch in self.loader:
                yield self.step(batch).item()
