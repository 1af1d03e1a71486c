"""What a GPU computes, against a CPU in fp32 and the published loop: `make gpu-check`.

`make test` runs the same on a CPU where it can, so that the tests themselves are known to work.
"""

import copy
import io
import json
import subprocess

import pandas as pd
import pytest
import torch
from conftest import ROOT, TINY_RESNET, call, write_pool
from published import PublishedLoop, Triplets, normalised, published_loss
from training import ANIMALS, SAMPLES, TEXTS, command, fine_tune, history, run_pretraining, write_training_files

from bench.arithmetic import SIZES
from bench.world import make_photos, random_clip
from pipeline_lib.backbones import pretrain
from pipeline_lib.clip.load import preprocess, save_checkpoint
from pipeline_lib.clip.text_tower import encode_text
from pipeline_lib.clip.tokenizer import tokenize
from pipeline_lib.clip.training import pick_device
from pipeline_lib.features import encode
from pipeline_lib.features.decode import prepare_ahead
from pipeline_lib.features.encode import encode_pool
from pipeline_lib.features.encode import normalised as normalised_pixels
from pipeline_lib.finetune import launch_command, trainer
from pipeline_lib.finetune.facts import load_facts
from pipeline_lib.finetune.terms import needs_facts
from pipeline_lib.finetune.trainer import Recipe, Trainer
from pipeline_lib.formats.images import open_image, read_tars
from pipeline_lib.jobs.files import write_parquet

GPU = torch.cuda.is_available()
gpu = (pytest.mark.gpu, pytest.mark.skipif(not GPU, reason="needs an NVIDIA GPU that torch sees"))
CUDA = pytest.param("cuda", marks=gpu)
PRECISIONS = [("cpu", "fp32"), ("cpu", "bf16")]
PRECISIONS += [pytest.param("cuda", precision, marks=gpu) for precision in ("fp32", "bf16", "fp16")]
ROUNDING = {"fp32": 3e-5, "fp16": 5e-3, "bf16": 4e-2}  # relative; fp16 has 11 bits, bf16 8
SCALE = 2.0**12  # of losses in fp16: nothing vanishes, and nothing overflows, as it may at the first scale of a run
CAPTIONS = [f"{text} beside a {other}" for text, other in zip(TEXTS["caption"], reversed(ANIMALS), strict=True)]
TINY = SIZES["tiny"]


@pytest.fixture(autouse=True)
def fp16_on_a_cpu(monkeypatch):
    """Let tests compute in fp16 on a CPU, which the pipeline refuses because it is slow; set the GPU as it does."""
    pick_device()
    types = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

    def autocast(precision, device):
        return torch.autocast(device.type, types[precision], enabled=precision != "fp32")

    monkeypatch.setattr(trainer, "autocast", autocast)


def apart(one, other):
    """The relative difference of two Tensors."""
    return ((one.double().cpu() - other.double().cpu()).norm() / other.double().norm()).item()


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Twelve photos, as files and as a tar."""
    return make_photos(tmp_path_factory.mktemp("photos"), SAMPLES)


@pytest.fixture(scope="module")
def samples():
    """What a trainer reads: tokens, and random features of images."""
    images = normalised(torch.randn(2, SAMPLES, TINY.embed_dim, generator=torch.Generator().manual_seed(0)))
    tokens = {"caption": tokenize(CAPTIONS), "negated": tokenize(TEXTS["negated_caption"])}
    return {**tokens, "image": images[0], "distractor": images[1]}


@pytest.fixture
def train(samples, tmp_path):
    """A function that makes a trainer of a tiny CLIP at its first step."""

    def make(device, precision="fp32", loss="conclip", epochs=4, lr=1e-4):
        frame = pd.DataFrame({"key": [f"{n:09d}" for n in range(SAMPLES)], **TEXTS, "caption": CAPTIONS})
        write_parquet(tmp_path / "train.parquet", frame)
        facts = load_facts(tmp_path / "train.parquet", 0) if needs_facts(loss) else None
        recipe = Recipe(loss, epochs, 4, lr, 0.2, 2, "paper", 0, precision)
        return scaled(Trainer(random_clip(TINY), samples, recipe, torch.device(device), facts=facts))

    return make


def scaled(one):
    """Set the scale of the loss of a trainer or published loop at its first step, and return it."""
    one.scaler.load_state_dict({**one.scaler.state_dict(), "scale": SCALE})
    return one


def advance(one, steps):
    """Do a number of steps; return the losses of all so far."""
    for _ in range(steps):
        one.step()
    return [entry["loss"] for entry in one.history.read()]


def with_gradient(named):
    """What is left of named weights without those whose gradient is rounding: attention ignores its keys' bias."""
    return {name: weight for name, weight in named.items() if not name.endswith("in_proj_bias")}


def weights(one):
    """The weights of a trainer that get a gradient, as one row."""
    return torch.cat([weight.detach().flatten().cpu() for weight in with_gradient(one.trained).values()])


@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_pixels_are_those_of_clips_preprocess_to_the_bit(photos, device):
    transform = preprocess(TINY.image_resolution)
    for encoded, pixels in prepare_ahead(list(read_tars([photos.tar])), TINY.image_resolution, 8, 2, device == "cuda"):
        found = normalised_pixels(pixels.to(device)).cpu()
        assert torch.equal(found, torch.stack([transform(open_image(one)) for one in encoded]))


@pytest.mark.parametrize(("device", "precision"), PRECISIONS)
def test_features_are_those_of_fp32_on_a_cpu(photos, device, precision):
    model = random_clip(SIZES["ViT-B/32"] if device == "cuda" else TINY)
    images = encode_pool(model, read_tars([photos.tar]), 8, 1).features
    tokens = tokenize(CAPTIONS)
    with torch.no_grad():
        texts = model.encode_text(tokens)
    model.to(device)
    found = encode_pool(model, read_tars([photos.tar]), 8, 1, precision).features
    assert apart(found, images) < ROUNDING[precision]
    with torch.no_grad(), trainer.autocast(precision, torch.device(device)):
        ours, theirs = encode_text(model, tokens), model.encode_text(tokens.to(device))
    assert apart(ours, texts) < max(1e-5, 1.5 * apart(theirs, texts)) <= ROUNDING[precision]


@pytest.mark.parametrize(("device", "precision"), PRECISIONS)
def test_loss_and_gradients_are_the_published_ones(train, samples, device, precision):
    one, rows = train(device, precision), torch.arange(SAMPLES)
    model = random_clip(TINY)
    texts = [normalised(model.encode_text(samples[name])) for name in ("caption", "negated")]
    expected = published_loss("conclip", samples["image"], samples["distractor"], *texts, model.logit_scale.exp())
    expected.backward()
    found = one.loss(rows)
    (found * SCALE).backward()
    assert found.item() == pytest.approx(expected.item(), rel=ROUNDING[precision])
    gradients = dict(model.named_parameters())
    for name, weight in with_gradient(one.trained).items():
        assert apart(weight.grad / SCALE, gradients[name].grad) < 10 * ROUNDING[precision], name


@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_steps_are_those_of_the_published_loop(photos, device):
    recipe = {"loss": "conclip", "epochs": 4, "batch_size": 4, "lr": 1e-4, "weight_decay": 0.2, "warmup_steps": 2}
    model = random_clip(TINY).to(device)
    files = [photos.files, photos.files[::-1]]
    triplets = Triplets(*files, CAPTIONS, TEXTS["negated_caption"], TINY.image_resolution)
    theirs = scaled(PublishedLoop(copy.deepcopy(model), triplets, **recipe))
    images = encode_pool(model, read_tars([photos.tar]), 8, 1, "fp16" if device == "cuda" else "fp32").features
    samples = {"caption": tokenize(CAPTIONS), "negated": tokenize(TEXTS["negated_caption"])}
    precision = "fp16" if device == "cuda" else "fp32"
    recipe = Recipe(order="paper", seed=0, precision=precision, **recipe)
    samples |= {"image": images, "distractor": images.flip(0)}
    ours = scaled(Trainer(model, samples, recipe, torch.device(device)))
    assert advance(ours, 12) == pytest.approx(list(theirs.run()), rel=ROUNDING[precision])


@pytest.mark.parametrize("loss", ["conclip", "conclip+"])
@pytest.mark.parametrize(("device", "precision"), PRECISIONS)
def test_recorded_steps_are_those_that_are_launched_one_by_one(train, device, precision, loss):
    recorded, plain = (train(device, precision, loss, epochs=8) for _ in range(2))
    before = weights(plain)
    if device == "cuda":
        plain._do = plain._update
    else:
        recorded.padded, recorded._lr = True, torch.tensor(0.0)  # the same steps, but not recorded
    shapes = []
    for rows in plain.plan:
        shapes.append(tuple(part.shape for part in recorded._inputs(rows)))
        advance(recorded, 1), advance(plain, 1)
    assert advance(recorded, 0) == pytest.approx(advance(plain, 0), rel=ROUNDING[precision])
    assert (weights(recorded) - weights(plain)).norm() < 0.05 * (weights(plain) - before).norm()
    again = {shape for shape in shapes if shapes.count(shape) > 1}
    assert again, "no shape comes a second time"
    if device == "cuda":
        assert {shape for shape, made in recorded._do.recordings.items() if made} == again


@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_a_step_that_overflows_in_fp16_is_skipped_and_the_scale_is_halved(train, device):
    one = train(device, "fp16", epochs=8)
    advance(one, 6)
    state, before = one.scaler.state_dict(), weights(one)
    assert state["scale"] == SCALE
    one.scaler.load_state_dict({**state, "scale": 2.0**60})
    advance(one, 1)
    assert torch.equal(weights(one), before)
    assert one.scaler.get_scale() == 2.0**59
    one.scaler.load_state_dict(state)
    advance(one, 3)
    assert not torch.equal(weights(one), before) and one.scaler.get_scale() == state["scale"]


@pytest.mark.parametrize(("device", "precision"), PRECISIONS)
def test_a_resumed_run_goes_on(train, device, precision):
    whole, stopped, resumed = (train(device, precision) for _ in range(3))
    before, expected = weights(whole), advance(whole, 12)
    advance(stopped, 5)
    file = io.BytesIO()
    torch.save(stopped.state(), file)
    file.seek(0)
    resumed.restore(torch.load(file, weights_only=True))
    found = advance(resumed, 7)
    assert found == (expected if device == "cpu" else pytest.approx(expected, rel=ROUNDING[precision]))
    share = 0 if device == "cpu" else 0.05  # of a GPU's sums, some add in another order each time
    assert (weights(resumed) - weights(whole)).norm() <= share * (weights(whole) - before).norm()


@pytest.mark.parametrize("device", [CUDA])
def test_pretraining_starts_as_on_a_cpu(tmp_path, monkeypatch, device):
    write_pool(tmp_path / "images.tar", 8, caption="a dog")
    losses = []
    for place in (device, "cpu"):
        monkeypatch.setattr(pretrain, "pick_device", lambda place=place: torch.device(place))
        assert run_pretraining(tmp_path, place, TINY_RESNET) is None
        losses.append([json.loads(line)["loss"] for line in (tmp_path / f"{place}.jsonl").read_text().splitlines()])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)  # four steps at a rate that moves every weight


@pytest.mark.parametrize("device", [CUDA])
def test_two_processes_share_a_card(tmp_path, device):
    model = random_clip(TINY)
    save_checkpoint(tmp_path / "model.pt", model)
    write_training_files(tmp_path, model)
    assert fine_tune(tmp_path, tmp_path / "model.pt", "one", lr=1e-4) is None
    arguments = command(tmp_path, tmp_path / "model.pt", "two", lr=1e-4)
    launch = [*launch_command(2).split(), "-m", "pipeline_lib.finetune.train", *arguments]
    two = subprocess.run(launch, cwd=ROOT, capture_output=True, text=True)
    assert two.returncode == 0, two.stderr[-3000:]
    mine, theirs = ([step["loss"] for step in history(tmp_path, name)] for name in ("two", "one"))
    assert mine == pytest.approx(theirs, rel=1e-3)


@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_a_full_memory_says_what_to_lower(photos, tmp_path, monkeypatch, device):
    save_checkpoint(tmp_path / "model.pt", random_clip(TINY if device == "cpu" else SIZES["ViT-B/32"]))
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(1e-6)
    else:

        def full(*_):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB.")

        monkeypatch.setattr(encode, "encode_pool", full)
    flags = {"weights": tmp_path / "model.pt", "reader": "tar", "images": photos.tar, "part": 0, "parts": 1}
    flags |= {"batch-size": 8, "precision": "fp32", "threads": 1, "output": tmp_path / "features.safetensors"}
    try:
        said = call(encode.main, *(text for flag, value in flags.items() for text in (f"--{flag}", value)))
    finally:
        if device == "cuda":
            torch.cuda.set_per_process_memory_fraction(1.0)
    assert said.startswith("error: the GPU's memory is full (CUDA out of memory") and "lower batch_size" in said
