"""Fine-tuning in several processes, one per GPU, started by ``torchrun``: the loss of the whole batch, not of a share.

Every process has the whole training set in memory, encodes the texts of its share of each batch, and gathers the text
features of all: the contrastive loss compares each image with every caption of the batch, so the mean of the shares'
losses would be another loss. Gathering passes gradients back, and `DistributedDataParallel` averages them over the
processes. Each of p processes computes the whole loss, so a process's own texts get p times their gradient from the
gathering; the average takes the factor out again.
"""

import os

import torch
from torch import Tensor, nn
from torch.distributed import destroy_process_group, init_process_group
from torch.distributed.nn.functional import all_gather
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from pipeline_lib.clip.load import CLIP
from pipeline_lib.clip.text_tower import encode_text


class TextEncoder(nn.Module):
    """Texts to normalised features, with the logit scale: everything of CLIP that trains, as one module."""

    def __init__(self, model: CLIP) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return normalised features (m × d) in the precision of the weights, and s = exp(logit_scale)."""
        features = encode_text(self.model, tokens).to(self.model.text_projection.dtype)
        return functional.normalize(features, dim=-1), self.model.logit_scale.exp()


class Processes:
    """The processes of a run: one, unless ``torchrun`` started more.

    Attributes
    ----------
    count, rank : int
        How many, and which of them this is; the first, 0, writes the outputs.
    """

    def __init__(self) -> None:
        self.count, self.rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))

    def __enter__(self) -> "Processes":
        if self.count > 1:
            if torch.cuda.is_available():
                torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
            init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        return self

    def __exit__(self, *exception: object) -> None:
        if self.count > 1:
            destroy_process_group()

    def wrap(self, model: CLIP) -> nn.Module:
        """Return a `TextEncoder` of `model` whose gradients are averaged over the processes."""
        encoder = TextEncoder(model)
        return encoder if self.count == 1 else DistributedDataParallel(encoder)

    def share(self, rows: Tensor) -> Tensor:
        """Return this process's share of a batch's rows."""
        return rows.chunk(self.count)[self.rank]

    def gather(self, features: Tensor) -> Tensor:
        """Return the rows of all processes' shares, in the order of the batch."""
        return features if self.count == 1 else torch.cat(all_gather(features))
