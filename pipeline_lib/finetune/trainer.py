"""Fine-tune the text tower on cached image features (paper, section 4), step by step and resumably.

`model.visual` is frozen; text transformer, embeddings, final norm, projection and logit scale train with AdamW, weight
decay on all of them, linear warm-up then cosine to 0, the last partial batch of an epoch dropped, the logit scale
clamped after each step. Weights, features, losses and sums are fp32; `precision` is that of the text tower's matrix
products, fp16 with a gradient scaler as in the published loop.

A run's state is what its next step depends on: weights, optimiser, scaler, random numbers and the number of the step,
from which the order of samples and the learning rate follow. Written and read back between two steps, it changes
nothing: on a CPU the resumed run ends with the same bits.
"""

import hashlib
import json
from dataclasses import asdict, dataclass

import torch

from pipeline_lib.clip.load import CLIP
from pipeline_lib.clip.training import History, adamw, autocast, update, warmup_cosine
from pipeline_lib.finetune.loss import loss_value
from pipeline_lib.finetune.processes import Processes
from pipeline_lib.finetune.samples import Samples, batches


@dataclass(frozen=True)
class Recipe:
    """What a run does.

    Attributes
    ----------
    loss : str
        A key of `pipeline_lib.finetune.terms.LOSSES`.
    epochs, batch_size, warmup_steps, seed : int
        The batch is that of all processes together.
    lr, weight_decay : float
        AdamW's; `lr` is the peak.
    order : str
        ``shuffled`` or ``paper``; see `pipeline_lib.finetune.samples.batches`.
    precision : str
        One of `pipeline_lib.clip.training.PRECISIONS`.
    """

    loss: str
    epochs: int
    batch_size: int
    lr: float
    weight_decay: float
    warmup_steps: int
    order: str
    seed: int
    precision: str


def trained_parameters(model: CLIP) -> dict[str, torch.nn.Parameter]:
    """Freeze the image tower and return every other parameter of the model by name."""
    model.visual.requires_grad_(False)
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


class Trainer:
    """A run of fine-tuning.

    Parameters
    ----------
    model : CLIP
        Trained in place; moved to `device`.
    samples : Samples
        Its features are moved to `device`.
    recipe : Recipe
        What to do.
    device : torch.device
        Where to compute.
    processes : Processes, optional
        The processes that share each batch; by default this one alone.

    Attributes
    ----------
    step_number : int
        Of the next step.
    plan : list of Tensor
        The rows of each step's batch.
    history : History
        Of the steps done.

    Raises
    ------
    ValueError
        If there are fewer samples than a batch has, the processes cannot share a batch evenly, or `device` does not
        compute in the recipe's precision.
    """

    def __init__(
        self, model: CLIP, samples: Samples, recipe: Recipe, device: torch.device, processes: Processes | None = None
    ) -> None:
        self.processes = processes or Processes()
        if recipe.batch_size % self.processes.count:
            raise ValueError(
                f"{self.processes.count} processes cannot share a batch of {recipe.batch_size} evenly: choose a "
                "batch_size that is a multiple of processes"
            )
        self.recipe, self.device = recipe, device
        self.autocast = autocast(recipe.precision, device)
        self.model = model.to(device)
        self.captions, self.negated = samples.captions, samples.negated
        self.images = samples.images.to(device)
        self.distractors = None if samples.distractors is None else samples.distractors.to(device)
        self.trained = trained_parameters(model)
        self.encoder = self.processes.wrap(model)
        self.optimiser = adamw(self.trained.values(), recipe.lr, recipe.weight_decay)
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "fp16")
        self.plan = batches(len(samples), recipe.batch_size, recipe.epochs, recipe.order, recipe.seed)
        self.history = History()
        self.step_number = 0

    def loss(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the loss of a batch.

        Parameters
        ----------
        rows : Tensor of shape (b,)
            The samples of the batch, of all processes together.
        """
        own = self.processes.share(rows)
        with self.autocast:
            texts, scale = self.encoder(torch.cat([self.captions[own], self.negated[own]]))
        caption, negated = (self.processes.gather(part) for part in texts.chunk(2))  # (b, d) each
        rows = rows.to(self.device)
        distractors = None if self.distractors is None else self.distractors[rows]
        return loss_value(self.recipe.loss, self.images[rows], caption, negated, distractors, scale)

    def step(self) -> None:
        """Do the next step of the plan."""
        loss = self.loss(self.plan[self.step_number])
        lr = self.recipe.lr * warmup_cosine(self.step_number, len(self.plan), self.recipe.warmup_steps)
        self.history.add(self.step_number, loss, lr, self.model.logit_scale)
        update(self.optimiser, self.scaler, loss, self.model.logit_scale, lr)
        self.step_number += 1

    def state(self) -> dict:
        """Return what the rest of the run depends on, as tensors and plain Python values.

        Raises
        ------
        ValueError
            If a loss so far is not finite.
        """
        return {
            "step": self.step_number,
            "history": self.history.read(),
            "trained": {name: parameter.detach() for name, parameter in self.trained.items()},
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "random": torch.get_rng_state(),
        }

    def restore(self, state: dict) -> None:
        """Continue from what `state` returned, in a trainer made with the same arguments."""
        self.step_number, self.history = state["step"], History(state["history"])
        with torch.no_grad():
            for name, parameter in self.trained.items():
                parameter.copy_(state["trained"][name])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["random"].cpu())


def run_id(model: CLIP, samples: Samples, recipe: Recipe, code: str) -> str:
    """Return a hash of everything that a run's result depends on: only a run with the same may be resumed.

    Parameters
    ----------
    model : CLIP
        Before training.
    samples : Samples
        The training set.
    recipe : Recipe
        What is done.
    code : str
        A hash of the source files.
    """
    digest = hashlib.sha256(json.dumps([asdict(recipe), code, torch.__version__]).encode())
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    digest.update(samples.digest().encode())
    return digest.hexdigest()
