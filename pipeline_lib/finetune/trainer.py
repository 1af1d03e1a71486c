"""Fine-tune the text tower on cached image features (paper, section 4), step by step, resumably, on one or more GPUs.

`model.visual` is frozen; text transformer, embeddings, final norm, projection and logit scale train with AdamW, weight
decay on all of them, linear warm-up then cosine to 0, the last partial batch of an epoch dropped, the logit scale
clamped after each step. Weights, features, losses and sums are fp32; `precision` is that of the text tower's matrix
products. fp16 is the published loop's: with a gradient scaler, and for the logits too; in bf16 they would be coarse.

On a GPU a step is recorded and launched as one (`pipeline_lib.finetune.recorded`), which needs shapes that come again:
texts and witnesses are padded with rows that nothing reads. Several processes launch their kernels one by one.

A run's state is what its next step depends on: weights, optimiser, scaler, random numbers and the number of the step,
from which the order of samples, the truth tables and the learning rate follow. Written and read back between two
steps, it changes nothing: on a CPU the resumed run ends with the same bits.
"""

import ctypes
import hashlib
import json
import os
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from socket import if_nameindex

import torch
from torch import Tensor, nn
from torch.distributed import destroy_process_group, init_process_group, is_torchelastic_launched
from torch.distributed.nn.functional import all_gather
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from pipeline_lib.clip.load import CLIP
from pipeline_lib.clip.text_tower import Trees, encode_planned, encode_tokens, plan_texts
from pipeline_lib.clip.training import PRECISIONS, adamw, autocast, update, warmup_cosine
from pipeline_lib.finetune.facts import Facts
from pipeline_lib.finetune.recorded import Recorded
from pipeline_lib.finetune.samples import ORDERS, Samples, batches
from pipeline_lib.finetune.terms import FROZEN, IMAGES, LOSSES, TEXTS, loss_value, needs
from pipeline_lib.jobs.run_record import History


@dataclass(frozen=True)
class Recipe:
    """What a run does; each field is a flag of the command.

    `batch_size` is that of all processes together, `lr` the peak; see `batches` for `order`.
    """

    loss: str = field(metadata={"choices": LOSSES, "help": "loss, named after its terms"})
    epochs: int = field(metadata={"help": "passes over the samples"})
    batch_size: int = field(metadata={"help": "samples per step, of all processes together"})
    lr: float = field(metadata={"help": "peak learning rate"})
    weight_decay: float = field(metadata={"help": "weight decay of AdamW"})
    warmup_steps: int = field(metadata={"help": "steps in which the learning rate rises to its peak"})
    order: str = field(metadata={"choices": ORDERS, "help": "of the samples; paper: as stored, in each epoch"})
    seed: int = field(metadata={"help": "seed of all random choices"})
    precision: str = field(metadata={"choices": PRECISIONS, "help": "of matrix products; weights stay in fp32"})


class TextEncoder(nn.Module):
    """Texts to normalised features, with the logit scale: everything of CLIP that trains, as one module."""

    def __init__(self, model: CLIP) -> None:
        super().__init__()
        self.model = model

    def forward(self, rows: Tensor, groups: list[Trees]) -> tuple[Tensor, Tensor]:
        """Return normalised features (m, d) in the precision of the weights, and s = exp(logit_scale).

        `rows` and `groups` are a plan of `plan_texts`.
        """
        features = encode_planned(self.model, rows, groups).to(self.model.text_projection.dtype)
        return functional.normalize(features, dim=-1), self.model.logit_scale.exp()


class Processes:
    """The processes of a run, one unless ``torchrun`` started more, one per GPU: they compute the loss of the batch.

    Where there are fewer GPUs than processes they share them, by gloo, since NCCL refuses.

    Each encodes the texts of its share of the batch and gathers the text features of all: the contrastive loss compares
    each image with every caption of the batch, so the mean of the shares' losses would be another loss. Gathering
    passes gradients back, and `DistributedDataParallel` averages them over the processes. Each of p processes computes
    the whole loss, so a process's own texts get p times their gradient from the gathering; the average takes the factor
    out again.
    """

    def __init__(self) -> None:
        launched = is_torchelastic_launched()  # a cluster may set these two for a job that runs no torchrun
        self.count = int(os.environ["WORLD_SIZE"]) if launched else 1
        self.rank = int(os.environ["RANK"]) if launched else 0

    def __enter__(self) -> "Processes":
        if self.count > 1:
            gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0  # as `pick_device` decides
            if gpus:
                torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % gpus)
            # All are on this machine: neither its name nor a network that the user's setting names is needed.
            os.environ["GLOO_SOCKET_IFNAME"] = next(name for _, name in if_nameindex() if name.startswith("lo"))
            init_process_group("nccl" if gpus >= self.count else "gloo")
        return self

    def __exit__(self, *exception: object) -> None:
        if self.count > 1:
            destroy_process_group()

    def wrap(self, model: CLIP) -> nn.Module:
        """Return a `TextEncoder` of `model` whose gradients are averaged over the processes."""
        encoder = TextEncoder(model)
        if self.count == 1:
            return encoder
        parallel = DistributedDataParallel(encoder)
        # Never freed: its destructor holds Python's lock and waits for gloo's thread, which may wait for the lock.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(parallel.reducer))
        return parallel

    def share(self, rows: Tensor) -> Tensor:
        """Return this process's share of a batch's rows of tokens."""
        return rows.chunk(self.count)[self.rank]

    def gather(self, features: Tensor) -> Tensor:
        """Return the rows of all processes' shares, in the order of the batch."""
        return features if self.count == 1 else torch.cat(all_gather(features))


class Trainer:
    """A run of fine-tuning of `model`, in place: `plan` has the rows of each step's batch, `step_number` is the next.

    `texts` are the tokens (n, 77) that are encoded in each step, on the CPU, where the text tower looks for shared
    prefixes; `constant` are the features (n, d) that never change, on `device`. `facts` make the truth tables of each
    step, where the loss needs them.
    """

    def __init__(
        self,
        model: CLIP,
        samples: Samples,
        recipe: Recipe,
        device: torch.device,
        processes: Processes | None = None,
        facts: Facts | None = None,
    ) -> None:
        self.processes = processes or Processes()
        if recipe.batch_size % self.processes.count:
            raise ValueError(
                f"{self.processes.count} processes cannot share a batch of {recipe.batch_size} evenly: choose a "
                "batch_size that is a multiple of processes"
            )
        self.recipe, self.device, self.facts = recipe, device, facts
        self.autocast = autocast(recipe.precision, device)
        self.autocast_of_logits = self.autocast if recipe.precision == "fp16" else nullcontext()
        self.model = model.to(device)
        needed = needs(recipe.loss)
        self.texts = {name: samples[name] for name in TEXTS if name in needed}
        self.constant = {name: samples[name].to(device) for name in IMAGES if name in needed}
        for name in needed & FROZEN.keys():
            self.constant[name] = encode_tokens(model, samples[FROZEN[name]]).to(device)
        model.visual.requires_grad_(False)
        self.trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self.encoder = self.processes.wrap(model)
        self.optimiser = adamw(self.trained.values(), recipe.lr, recipe.weight_decay)
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "fp16")
        self.samples = len(next(iter(samples.values())))
        self.plan = batches(self.samples, recipe.batch_size, recipe.epochs, recipe.order, recipe.seed)
        self.padded = device.type == "cuda" and self.processes.count == 1
        self._do = Recorded(self._update, device) if self.padded else self._update
        self._lr = torch.zeros((), device=device) if self.padded else 0.0
        self.history = History()
        self.step_number = 0

    def loss(self, rows: Tensor) -> Tensor:
        """Return the loss of a batch, of the samples `rows` (b,) of all processes together."""
        return self._loss(*self._inputs(rows))[0]

    def _inputs(self, rows: Tensor) -> list[Tensor]:
        """Return what the loss takes beside features and weights, planned on the CPU: rows of samples and witnesses,
        the truth, the places of texts among those of their groups, and each group's `Trees`.
        """
        texts = {name: tokens[rows] for name, tokens in self.texts.items()}
        witnesses = truth = torch.empty(0, dtype=torch.long)
        if self.facts:
            witnesses, texts["statement"], truth = self.facts.tensors(self.step_number, len(rows))
            if self.padded:  # with witnesses of whom nothing is known, to a multiple of the batch size
                more = -len(witnesses) % len(rows)
                witnesses, truth = (
                    functional.pad(witnesses, (0, more)),
                    functional.pad(truth, (0, 0, 0, more), value=-1),
                )
        own = torch.cat([self.processes.share(tokens) for tokens in texts.values()])
        of_texts, groups = plan_texts(own, self.device, self.padded)
        return [rows, witnesses, truth, of_texts, *(part for group in groups for part in group)]

    def _loss(
        self, rows: Tensor, witnesses: Tensor, truth: Tensor, of_texts: Tensor, *parts: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the loss for `_inputs`, and the logit scale."""
        rows, size = rows.to(self.device), len(Trees._fields)
        tensors = {name: features.index_select(0, rows) for name, features in self.constant.items()}
        texts = [*self.texts]
        if self.facts:
            witness = self.constant["image"].index_select(0, witnesses.to(self.device))
            tensors |= {"witness": witness, "truth": truth.to(self.device)}
            texts.append("statement")
        groups = [Trees(*parts[first : first + size]) for first in range(0, len(parts), size)]
        with self.autocast:
            own, scale = self.encoder(of_texts, groups)
        for name, part in zip(texts, own.chunk(len(texts)), strict=True):
            tensors[name] = self.processes.gather(part)  # (b, d)
        with self.autocast_of_logits:
            return loss_value(self.recipe.loss, tensors, scale), scale

    def _update(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Do a step on `_inputs`, on the device alone if they are there; return its loss and logit scale."""
        loss, scale = self._loss(*inputs)
        update(self.optimiser, self.scaler, loss, self.model.logit_scale, self._lr)
        return loss.detach(), scale.detach()

    def step(self) -> None:
        """Do the next step of the plan."""
        lr = self.recipe.lr * warmup_cosine(self.step_number, len(self.plan), self.recipe.warmup_steps)
        self._lr = self._lr.fill_(lr) if self.padded else lr
        loss, scale = self._do(*self._inputs(self.plan[self.step_number]))
        self.history.add(self.step_number, loss, lr, scale)
        self.step_number += 1

    def state(self) -> dict:
        """Return what the rest of the run depends on, as tensors and plain Python values."""
        return {
            "step": self.step_number,
            "history": self.history.read(),
            "trained": {name: weight.detach() for name, weight in self.trained.items()},
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "random": torch.get_rng_state(),
        }

    def restore(self, state: dict) -> None:
        """Continue from what `state` returned, in a trainer made with the same arguments, before its first step."""
        assert self.step_number == 0, "what is recorded would go on with the optimiser's state as it was"
        self.step_number, self.history = state["step"], History(state["history"])
        with torch.no_grad():
            for name, weight in self.trained.items():
                weight.copy_(state["trained"][name])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["random"].cpu())


def run_id(model: CLIP, samples: Samples, recipe: Recipe, facts: str | None, code: str) -> str:
    """Return a hash of everything that a run's result depends on: only a run with the same may be resumed.

    `model` is the one before training, `facts` their identity, `code` a hash of the source files.
    """
    digest = hashlib.sha256(json.dumps([asdict(recipe), facts, code, torch.__version__]).encode())
    for name, value in sorted((model.state_dict() | samples).items()):
        digest.update(name.encode())
        digest.update(value.cpu().contiguous().numpy().data)  # not a copy of gigabytes
    return digest.hexdigest()
