"""The pipeline's fast fine-tuning against the published loop (`published`), on CLIPs of real structure.

Image features read from a cache instead of two JPEGs opened and encoded per sample and epoch, texts without padding and
with shared beginnings, a fused optimiser: none of it may change a number by more than the order of a sum does. Where
50 steps let differences of that kind grow, float64 shows that the two are one algorithm.
"""

import copy
import io

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from published import LOSSES, PublishedLoop, Triplets, in_float64, normalised, published_loss
from torch.utils.data import default_collate
from training import fine_tune

from pipeline_lib.backbones.pretrain import build
from pipeline_lib.clip.load import clip, save_checkpoint
from pipeline_lib.clip.text_tower import encode_captions, encode_text
from pipeline_lib.clip.tokenizer import tokenize
from pipeline_lib.features.encode import encode_pool
from pipeline_lib.features.store import save_features
from pipeline_lib.finetune import trainer
from pipeline_lib.finetune.trainer import Recipe, Trainer
from pipeline_lib.formats.images import read_tars
from pipeline_lib.formats.tars import write_samples
from pipeline_lib.jobs.files import write_parquet

TEXT = {"embed_dim": 64, "image_resolution": 64, "transformer_width": 128, "transformer_layers": 2}
TOWERS = {
    "vit": {"vision_layers": 2, "vision_width": 128, "vision_patch_size": 16},
    "resnet": {"vision_layers": [1, 2, 1, 1], "vision_width": 8, "vision_patch_size": None},
}
# Beginnings that are shared and ends that are not, repetitions, a single word, nothing at all, all 77 tokens.
PAIRS = [
    ("a kite above a harbour", "a kite not above a harbour"),
    ("a kite above a harbour at dawn", "a kite above a harbour , not at dawn"),
    ("two goats on a stone wall", "two goats that are not on a stone wall"),
    ("a kite above a harbour", "a kite not above a harbour"),
    (
        "portrait of a violinist in a green coat , with a cat",
        "portrait of a violinist not in a green coat , with a cat",
    ),
    ("lighthouse", "no lighthouse"),
    ("", "nothing"),
    ("kite " * 75, "no " + "kite " * 74),
    ("two goats on a stone wall", "no goats on a stone wall"),
    ("a tram stops beside a bakery", "a tram does not stop beside a bakery"),
]
CAPTIONS, NEGATED = map(list, zip(*PAIRS, strict=True))
DISTRACTORS = [0, 1, 2, 0, 1, 2, 3, 3, 0, 1]  # of the pool
ROWS = list(range(len(CAPTIONS)))
RECIPE = {
    "epochs": 25,
    "batch_size": 4,  # so that two samples of each epoch are dropped
    "lr": 1e-3,  # a thousand times the paper's, so that 50 steps go somewhere
    "weight_decay": 0.2,
    "warmup_steps": 5,
}


@pytest.fixture(scope="module", params=TOWERS)
def model(request, triplets):
    """A CLIP with random weights, in which no bias or norm has a value that would hide an error."""
    torch.manual_seed(0)
    model = build({**TEXT, **TOWERS[request.param]})
    for name, parameter in model.named_parameters():
        if parameter.dim() <= 1:
            parameter.data += 0.2 * torch.randn_like(parameter)
        elif name.startswith("visual."):
            parameter.data *= 2  # so that the images' features differ as a trained tower's do
    with torch.no_grad():  # running means and variances, where there are batch norms
        pixels = torch.stack([triplets[row][0] for row in ROWS])
        for _ in range(20):
            model.train().encode_image(pixels)
    return model.eval()


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Folder with the JPEG files and the tars of ten training images and a pool of four, of several sizes."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name, count in (("train", len(CAPTIONS)), ("pool", 4)):
        samples = []
        for number in range(count):
            width, height = rng.integers(70, 130, 2)
            smooth = Image.fromarray(rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)).resize((width, height))
            content = io.BytesIO()
            smooth.save(content, "JPEG")
            (folder / f"{name}-{number}.jpg").write_bytes(content.getvalue())
            samples.append((f"{number:09d}", {"jpg": content.getvalue()}))
        write_samples(folder / f"{name}.tar", samples)
    return folder


@pytest.fixture(scope="module")
def triplets(photos):
    """The samples as the published loop reads them."""
    images = [photos / f"train-{number}.jpg" for number in range(len(CAPTIONS))]
    distractors = [photos / f"pool-{number}.jpg" for number in DISTRACTORS]
    return Triplets(images, distractors, CAPTIONS, NEGATED, TEXT["image_resolution"])


def published_features(model, triplets, rows):
    """Normalised features of images, distractors, captions and negated captions: the published way."""
    image, distractor, caption, negated = default_collate([triplets[row] for row in rows])
    encoded = (*map(model.encode_image, (image, distractor)), *map(model.encode_text, (caption, negated)))
    return [normalised(features) for features in encoded]


def our_tokens():
    """Tokens of captions and negated captions; the shards stage removes commas from the latter."""
    return {"caption": tokenize(CAPTIONS), "negated": tokenize([text.replace(",", "") for text in NEGATED])}


def our_samples(model, photos):
    """The samples as the pipeline trains on them: features of encoded pools, tokens."""
    images = encode_pool(model, read_tars([photos / "train.tar"]), batch_size=3, threads=1).features
    pool = encode_pool(model, read_tars([photos / "pool.tar"]), batch_size=3, threads=1).features
    return {**our_tokens(), "image": images, "distractor": pool[DISTRACTORS]}


def our_trainer(model, samples, loss, **changes):
    """Our fine-tuning of a copy of `model`, in the published order."""
    recipe = Recipe(**{"loss": loss, "order": "paper", "seed": 0, "precision": "fp32", **RECIPE, **changes})
    return Trainer(copy.deepcopy(model), samples, recipe, torch.device("cpu"))


def published_loop(model, triplets, loss, **changes):
    """The published fine-tuning of a copy of `model`."""
    return PublishedLoop(copy.deepcopy(model), triplets, loss, **{**RECIPE, **changes})


def run_to_the_end(ours):
    """Do every step of a trainer and return the losses."""
    for _ in ours.plan:
        ours.step()
    return [entry["loss"] for entry in ours.history.read()]


def test_features_are_the_published_ones(model, photos, triplets):
    with torch.no_grad():
        expected = published_features(model, triplets, ROWS)
        samples = our_samples(model, photos)
        texts = normalised(encode_text(model, torch.cat([samples["caption"], samples["negated"]]))).chunk(2)
    found = (samples["image"], samples["distractor"], *texts)
    for name, one, other in zip(("image", "distractor", "caption", "negated"), found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=2e-6, msg=lambda text, name=name: f"{name}: {text}")
        assert (other @ other.T).min() < 0.9, f"{name}: all features are alike, equality would prove nothing"
    torch.testing.assert_close(encode_captions(model, CAPTIONS), expected[2], rtol=0, atol=2e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_and_every_gradient_are_the_published_ones(model, photos, triplets, loss):
    ours = our_trainer(model, our_samples(model, photos), loss)
    theirs = published_loop(model, triplets, loss)
    text_parameters = {name for name, _ in model.named_parameters() if not name.startswith("visual.")}
    for rows in (ROWS, [4], [0, 3, 0]):  # everything; a batch of one; one caption three times
        values, gradients = [], []
        for side, value in (
            (theirs.model, theirs.forward(default_collate([triplets[row] for row in rows]))),
            (ours.model, ours.loss(torch.tensor(rows))),
        ):
            side.zero_grad()
            value.backward()
            values.append(value.item())
            gradients.append({name: p.grad.clone() for name, p in side.named_parameters() if p.grad is not None})
        expected, found = gradients
        assert values[1] == pytest.approx(values[0], rel=2e-6)
        assert found.keys() == expected.keys() == text_parameters
        for name, gradient in expected.items():
            assert (found[name] - gradient).abs().max() <= 1e-4 * gradient.abs().max(), (name, rows)


@pytest.mark.parametrize("model", ["vit"], indirect=True)
def test_50_steps_are_the_published_ones_and_leave_the_image_tower_alone(model, photos, triplets):
    ours = our_trainer(model, our_samples(model, photos), "conclip")
    losses = run_to_the_end(ours)
    expected = list(published_loop(model, triplets, "conclip").run())
    assert len(expected) == len(losses) == 50
    assert losses == pytest.approx(expected, rel=1e-5)
    assert losses[-1] < losses[0] / 2
    before, after = model.state_dict(), ours.model.state_dict()
    changed = {name for name in before if not torch.equal(after[name], before[name])}
    assert changed == {name for name in before if not name.startswith("visual.")}


def test_ten_steps_over_the_end_of_warm_up_are_the_published_ones(model, photos, triplets):
    changes = {"epochs": 5, "lr": 1e-4}  # 2 steps an epoch; the warm-up ends at step 5
    ours, theirs = our_trainer(model, our_samples(model, photos), "conclip", **changes), []
    losses = run_to_the_end(ours)
    loop = published_loop(model, triplets, "conclip", **changes)
    for loss in loop.run():
        theirs.append((loss, loop.optimiser.param_groups[0]["lr"]))
    expected, rates = zip(*theirs, strict=True)
    assert len(rates) == 10 and rates[5] == max(rates) > 1e-4 > rates[6]
    assert [step["lr"] for step in ours.history.read()] == pytest.approx(rates, rel=1e-12)
    assert losses == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("model", ["vit"], indirect=True)
@pytest.mark.parametrize("scale", [14.0, 100.0])
def test_logits_are_in_half_precision_where_the_published_ones_are(model, scale, monkeypatch):
    def on_cpu(precision, device):
        return torch.autocast(device.type, {"fp16": torch.float16, "bf16": torch.bfloat16}[precision])

    monkeypatch.setattr(trainer, "autocast", on_cpu)  # ours refuses fp16 on a CPU, where it is slow
    scale, names = torch.tensor(scale), ("image", "distractor", "caption", "negated")
    features = normalised(torch.randn(4, len(ROWS), 64, generator=torch.Generator().manual_seed(0)))
    with torch.autocast("cpu", torch.float16):
        half = published_loss("conclip", *features, scale).item()
    full = published_loss("conclip", *features, scale).item()
    found = {}
    for precision in ("fp16", "bf16"):
        samples = {**our_tokens(), **dict(zip(names[:2], features[:2], strict=True))}
        ours = our_trainer(model, samples, "conclip", precision=precision)
        ours.encoder = lambda *plan: (features[2:].flatten(0, 1), scale)  # the text tower's own rounding set aside
        found[precision] = ours.loss(torch.tensor(ROWS)).item()
    assert found == {"fp16": pytest.approx(half, rel=1e-6), "bf16": pytest.approx(full, rel=1e-6)}
    assert half != pytest.approx(full, rel=1e-6)


@pytest.mark.parametrize("model", ["resnet"], indirect=True)
def test_in_float64_weights_and_losses_agree_after_eight_steps(model, triplets):
    doubled = in_float64(copy.deepcopy(model))
    with torch.no_grad():
        images, distractors, _, _ = published_features(doubled, triplets, ROWS)
    samples = {**our_tokens(), "image": images, "distractor": distractors}
    ours = our_trainer(doubled, samples, "conclip", epochs=4)
    losses = run_to_the_end(ours)
    theirs = published_loop(doubled, triplets, "conclip", epochs=4)
    assert losses == pytest.approx(list(theirs.run()), rel=1e-13)
    expected = theirs.model.state_dict()
    for name, value in ours.model.state_dict().items():
        torch.testing.assert_close(
            value, expected[name], rtol=0, atol=1e-9, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize(
    "encode", [lambda model, tokens: model.encode_text(tokens), encode_text], ids=["theirs", "ours"]
)
def test_tokens_after_the_end_do_not_matter(model, encode):
    tokens = tokenize(CAPTIONS)
    after = torch.arange(77) > tokens.argmax(dim=-1, keepdim=True)
    end_token = int(tokens.max())
    garbage = torch.where(after, torch.randint(1, end_token, tokens.shape), tokens)
    gradients = []
    for filled in (tokens, garbage):
        model.zero_grad()
        features = encode(model, filled)
        features.square().sum().backward()
        gradients.append(model.token_embedding.weight.grad.clone())
        if filled is tokens:
            clean = features.detach()
    torch.testing.assert_close(features.detach(), clean, rtol=0, atol=1e-6)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-5, atol=1e-6)
    only_garbage = sorted(set(garbage[after].tolist()) - set(tokens.flatten().tolist()))
    assert gradients[1][only_garbage].count_nonzero() == 0


def test_77_tokens_are_encoded_and_78_are_an_error_that_quotes_them(model):
    with torch.no_grad():
        expected = normalised(model.encode_text(clip.tokenize(["kite " * 75])))
    torch.testing.assert_close(encode_captions(model, ["kite " * 75]), expected, rtol=0, atol=2e-6)
    with pytest.raises(ValueError, match=r"77 tokens.*tram kite kite"):
        encode_captions(model, ["a goat", "tram " + "kite " * 75])


@pytest.mark.parametrize("model", ["vit"], indirect=True)
def test_a_checkpoint_loads_as_the_papers_do(model, photos, tmp_path):
    keys = [f"{number:09d}" for number in ROWS]
    save_checkpoint(tmp_path / "backbone.pt", model)
    for name in ("train", "pool"):
        save_features(tmp_path / f"{name}.safetensors", encode_pool(model, read_tars([photos / f"{name}.tar"]), 3, 1))
    captions = {"key": keys, "caption": CAPTIONS, "negated_caption": NEGATED}
    write_parquet(tmp_path / "train.parquet", pd.DataFrame(captions))
    chosen = {"key": keys, "distractor": [f"{number:09d}" for number in DISTRACTORS]}
    write_parquet(tmp_path / "distractors.parquet", pd.DataFrame(chosen))
    assert fine_tune(tmp_path, tmp_path / "backbone.pt", order="paper", **{**RECIPE, "epochs": 1}) is None

    # What the paper's README says to do, where `build_model` is what clip.load returns once it has downloaded weights.
    loaded = clip.model.build_model(model.state_dict())
    loaded = loaded.float()
    checkpoint = torch.load(tmp_path / "m-s0/model.pt", weights_only=True)
    loaded.load_state_dict(checkpoint["model"])
    with torch.no_grad():
        trained, before = (side.encode_text(tokenize(CAPTIONS)) for side in (loaded, model))
    assert checkpoint["model"].keys() == model.state_dict().keys()
    assert (normalised(trained) - normalised(before)).abs().max() > 1e-3
