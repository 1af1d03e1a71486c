"""Steps as a GPU repeats them, padded to a few shapes, against plain ones; recording them needs a GPU (`test_gpu`)."""

import pandas as pd
import pytest
import torch
from conftest import TINY
from torch.utils._python_dispatch import TorchDispatchMode
from training import ANIMALS, SAMPLES, TEXTS

from pipeline_lib.backbones.pretrain import build
from pipeline_lib.clip.tokenizer import tokenize
from pipeline_lib.finetune.facts import load_facts
from pipeline_lib.finetune.recorded import unpack
from pipeline_lib.finetune.terms import needs_facts
from pipeline_lib.finetune.trainer import Recipe, Trainer
from pipeline_lib.jobs.files import write_parquet


@pytest.fixture(params=["conclip", "conclip+"])
def trainer(request, tmp_path):
    """A function that makes a trainer, whose steps are padded or not."""
    captions = [f"{text} beside a {other}" for text, other in zip(TEXTS["caption"], reversed(ANIMALS), strict=True)]
    frame = pd.DataFrame({"key": [f"{n:09d}" for n in range(SAMPLES)], **TEXTS, "caption": captions})
    write_parquet(tmp_path / "train.parquet", frame)
    images = torch.nn.functional.normalize(
        torch.randn(2, SAMPLES, 32, generator=torch.Generator().manual_seed(0)), dim=-1
    )
    samples = {"caption": tokenize(captions), "negated": tokenize(TEXTS["negated_caption"])}
    samples |= {"image": images[0], "distractor": images[1]}
    recipe = Recipe(request.param, 3, 4, 1e-3, 0.2, 2, "shuffled", 0, "fp32")
    facts = load_facts(tmp_path / "train.parquet", 0) if needs_facts(request.param) else None

    def make(padded):
        torch.manual_seed(0)
        made = Trainer(build(TINY).eval(), samples, recipe, torch.device("cpu"), facts=facts)
        made.padded = padded
        return made

    return make


def test_a_padded_step_is_the_plain_one(trainer):
    plain, padded = trainer(False), trainer(True)
    for step, rows in enumerate(plain.plan):
        values, shapes = [], []
        for one in (plain, padded):
            one.step_number = step
            one.model.zero_grad()
            loss = one.loss(rows)
            loss.backward()
            values.append((loss.item(), {name: weight.grad for name, weight in one.trained.items()}))
            shapes.append(tuple(part.shape for part in one._inputs(rows)))
        (expected, gradients), (found, padded_gradients) = values
        assert found == pytest.approx(expected, rel=1e-6)
        for name, gradient in gradients.items():
            assert (padded_gradients[name] - gradient).abs().max() <= 1e-5 * gradient.abs().max(), name
        assert shapes[0] != shapes[1]


def test_inputs_come_back_from_one_row_of_numbers(trainer):
    inputs = trainer(True)._inputs(torch.arange(4))
    found = unpack(torch.cat([part.flatten().long() for part in inputs]), inputs)
    assert [part.dtype for part in found] == [part.dtype for part in inputs]
    assert all(torch.equal(one, other) for one, other in zip(found, inputs, strict=True))


WAITING = {"aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::equal", "aten::unique"}


class NothingIsRead(TorchDispatchMode):
    """Refuses what would make the CPU wait for a value on the device, which a recording cannot do."""

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        """Do an operation."""
        assert function.name().partition(".")[0] not in WAITING
        return function(*arguments, **keywords or {})


def test_a_step_reads_no_value_back(trainer):
    one = trainer(True)
    one.scaler, one._lr = torch.amp.GradScaler("cpu"), torch.tensor(1e-3)
    one.step()  # makes what is made once
    inputs = one._inputs(one.plan[1])
    before = one.model.text_projection.clone()
    with NothingIsRead():
        loss, _ = one._update(*inputs)
    assert not torch.equal(one.model.text_projection, before)
    with NothingIsRead(), pytest.raises(AssertionError):
        loss.item()
