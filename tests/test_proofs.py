"""The pipeline's fast fine-tuning against the published loop (`published`), on CLIPs of real structure.

Image features read from a cache instead of two JPEGs opened and encoded per sample and epoch, texts without padding and
with shared beginnings, a fused optimiser: none of it may change a number by more than the order of a sum does. Where
50 steps let differences of that kind grow, float64 shows that the two are one algorithm.
"""

import copy
import io

import numpy as np
import pytest
import torch
from PIL import Image
from published import LOSSES, PublishedLoop, Triplets, in_float64, normalised
from torch.utils.data import default_collate

from pipeline_lib.backbones.pretrain import build
from pipeline_lib.clip_door import clip, tokenize
from pipeline_lib.features.encode import encode_pool
from pipeline_lib.finetune.loss import loss_value
from pipeline_lib.tars import write_samples
from pipeline_lib.text_tower import encode_captions, encode_text

TEXT = {"embed_dim": 64, "image_resolution": 64, "transformer_width": 128, "transformer_layers": 3}
TOWERS = {
    "vit": {"vision_layers": 2, "vision_width": 128, "vision_patch_size": 16},
    "resnet": {"vision_layers": [1, 2, 1, 1], "vision_width": 8, "vision_patch_size": None},
}
# Beginnings that are shared and ends that are not, repetitions, a single word, nothing at all, all 77 tokens.
CAPTIONS = [
    "a kite above a harbour",
    "a kite above a harbour at dawn",
    "two goats on a stone wall",
    "a kite above a harbour",
    "portrait of a violinist in a green coat , with a cat",
    "lighthouse",
    "",
    "kite " * 75,
    "two goats on a stone wall",
    "a tram stops beside a bakery",
]
NEGATED = [
    "a kite not above a harbour",
    "a kite above a harbour , not at dawn",
    "two goats that are not on a stone wall",
    "a kite not above a harbour",
    "portrait of a violinist not in a green coat , with a cat",
    "no lighthouse",
    "nothing",
    "no " + "kite " * 74,
    "no goats on a stone wall",
    "a tram does not stop beside a bakery",
]
DISTRACTORS = [0, 1, 2, 0, 1, 2, 3, 3, 0, 1]  # of the pool
ROWS = list(range(len(CAPTIONS)))
BATCH_SIZE = 4  # so that two samples of each epoch are dropped


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
    return tokenize(CAPTIONS), tokenize([text.replace(",", "") for text in NEGATED])


def our_features(model, photos, rows):
    """The same features, our way."""
    images = encode_pool(model, [photos / "train.tar"], batch_size=3, threads=1).features
    pool = encode_pool(model, [photos / "pool.tar"], batch_size=3, threads=1).features
    captions, negated = our_tokens()
    texts = torch.nn.functional.normalize(encode_text(model, torch.cat([captions[rows], negated[rows]])), dim=-1)
    return [images[rows], pool[DISTRACTORS][rows], *texts.chunk(2)]


def test_features_are_the_published_ones(model, photos, triplets):
    with torch.no_grad():
        expected = published_features(model, triplets, ROWS)
        found = our_features(model, photos, ROWS)
    for name, one, other in zip(("image", "distractor", "caption", "negated"), found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=2e-6, msg=lambda text, name=name: f"{name}: {text}")
    assert not torch.allclose(expected[0][0], expected[0][1], atol=1e-3), "the images have equal features: no proof"
    torch.testing.assert_close(encode_captions(model, CAPTIONS), expected[2], rtol=0, atol=2e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_and_every_gradient_are_the_published_ones(model, photos, triplets, loss):
    model.visual.requires_grad_(False)
    values, gradients = [], []
    for features, function in (
        (published_features(model, triplets, ROWS), lambda *parts: LOSSES[loss](*parts, model.logit_scale.exp())),
        (
            our_features(model, photos, ROWS),
            lambda image, distractor, caption, negated: loss_value(
                loss, image, caption, negated, distractor, model.logit_scale.exp()
            ),
        ),
    ):
        model.zero_grad()
        value = function(*features)
        value.backward()
        values.append(value.item())
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    expected, found = gradients
    assert values[1] == pytest.approx(values[0], rel=1e-6)
    assert found.keys() == expected.keys() == {n for n, _ in model.named_parameters() if not n.startswith("visual.")}
    for name, gradient in expected.items():
        assert (found[name] - gradient).abs().max() <= 1e-4 * gradient.abs().max(), name


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
