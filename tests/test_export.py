"""Exports: the pipeline, open_clip and Hugging Face's CLIPModel give the same features; weights return to the bit."""

import numpy as np
import pytest
import torch
from conftest import TINY, TINY_RESNET, call
from PIL import Image

from pipeline_lib.backbones import export
from pipeline_lib.backbones.export import export_huggingface, export_open_clip
from pipeline_lib.backbones.formats import read_weights
from pipeline_lib.backbones.pretrain import build
from pipeline_lib.clip.load import build_clip, load_torchvision, preprocess, save_checkpoint
from pipeline_lib.clip.text_tower import encode_text
from pipeline_lib.clip.tokenizer import CONTEXT_LENGTH, tokenize

HEADS = {**TINY, "embed_dim": 48, "vision_width": 192, "vision_layers": 3, "transformer_width": 128}  # several of them
CAPTIONS = ["a dog on a red sofa", "a dog that is not on a red sofa", "no"]
TOLERANCE = 1e-5  # of normalised features, between implementations that add in another order


@pytest.fixture(scope="module")
def open_clip():
    load_torchvision()
    import open_clip

    return open_clip


@pytest.fixture(scope="module")
def transformers():
    load_torchvision()
    import transformers

    transformers.utils.logging.disable_progress_bar()
    return transformers


def features(encode_image, encode_text, pixels, tokens):
    """Normalised features of images and texts, one under the other."""
    with torch.no_grad():
        both = [encode(inputs) for encode, inputs in ((encode_image, pixels), (encode_text, tokens))]
    both = [getattr(rows, "pooler_output", rows) for rows in both]
    return torch.cat([torch.nn.functional.normalize(rows, dim=-1) for rows in both])


@pytest.mark.parametrize(
    ("architecture", "activation"),
    [(TINY, "quickgelu"), (TINY, "gelu"), (TINY_RESNET, "quickgelu"), (HEADS, "quickgelu")],
    ids=["tiny", "tiny-gelu", "resnet", "heads"],
)
def test_all_three_give_the_same_features(tmp_path, open_clip, transformers, architecture, activation):
    torch.manual_seed(0)
    weights = build(architecture).state_dict()
    weights |= {name: torch.ones_like(value) for name, value in weights.items() if name.endswith("bn3.weight")}  # not 0
    model = build_clip(weights, activation)
    side = architecture["image_resolution"]
    pixels, tokens = torch.randn(2, 3, side, side), tokenize(CAPTIONS)
    ours = features(model.encode_image, lambda rows: encode_text(model, rows), pixels, tokens)
    assert (ours[0] - ours[1]).abs().max() > 100 * TOLERANCE  # they tell inputs apart

    export_open_clip(model, tmp_path / "open_clip")
    loaded = open_clip.create_model(f"local-dir:{tmp_path / 'open_clip'}").eval()
    theirs = features(loaded.encode_image, loaded.encode_text, pixels, tokens)
    torch.testing.assert_close(theirs, ours, rtol=0, atol=TOLERANCE)

    exported = ["open_clip"]
    if architecture is not TINY_RESNET:
        export_huggingface(model, tmp_path / "huggingface")
        exported.append("huggingface")
        loaded = transformers.CLIPModel.from_pretrained(tmp_path / "huggingface", local_files_only=True).eval()
        theirs = features(loaded.get_image_features, loaded.get_text_features, pixels, tokens)
        torch.testing.assert_close(theirs, ours, rtol=0, atol=TOLERANCE)

    for name in exported:
        found = read_weights(tmp_path / name)
        assert found.activation == activation
        assert found.state_dict.keys() == model.state_dict().keys()
        for key, value in model.state_dict().items():
            assert torch.equal(found.state_dict[key], value), (name, key)


def test_the_exported_tokenizer_and_image_transform_are_clips(tmp_path, open_clip, transformers, tiny_clip):
    export_huggingface(tiny_clip, tmp_path)
    processor = transformers.CLIPProcessor.from_pretrained(tmp_path, local_files_only=True)
    captions = ["A dog's toy , isn't 3 cats!", "café naïve — résumé", "two   spaces", "", "a" * 60]
    encoded = processor.tokenizer(captions, padding="max_length", return_tensors="pt")["input_ids"]
    ours = tokenize(captions)
    assert encoded.shape == (len(captions), CONTEXT_LENGTH)
    for mine, theirs, end in zip(ours, encoded, ours.argmax(dim=1), strict=True):
        assert torch.equal(mine[: end + 1], theirs[: end + 1])
    # Smooth, so that the two ways to resize differ by rounding alone.
    slope = np.linspace(0, 255, 60, dtype=np.uint8)
    rows = np.stack([slope, slope[::-1], slope // 2], axis=-1)
    image = Image.fromarray(np.tile(rows, (48, 1, 1)))
    theirs = processor.image_processor(image, return_tensors="pt")["pixel_values"][0]
    torch.testing.assert_close(theirs.float(), preprocess(32)(image), rtol=0, atol=0.03)  # 1.5 of 255 levels
    export_open_clip(tiny_clip, tmp_path / "open_clip")
    _, transform = open_clip.create_model_from_pretrained(f"local-dir:{tmp_path / 'open_clip'}")
    torch.testing.assert_close(transform(image), preprocess(32)(image), rtol=0, atol=1e-6)


def test_the_command_exports_and_refuses_a_resnet_for_huggingface(tmp_path, tiny_checkpoint):
    def export_to(form, path, folder):
        return call(export.main, "--checkpoint", path, "--format", form, "--output", folder)

    for form in ("open_clip", "huggingface"):
        assert export_to(form, tiny_checkpoint, tmp_path / form) is None
    assert {path.name for path in (tmp_path / "huggingface").iterdir()} == {
        *("config.json", "model.safetensors", "preprocessor_config.json"),
        *("vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"),
    }
    save_checkpoint(tmp_path / "resnet.pt", build(TINY_RESNET))
    error = export_to("huggingface", tmp_path / "resnet.pt", tmp_path / "none")
    assert "CLIPModel has only vision transformers; export a ResNet as open_clip" in error
    assert not (tmp_path / "none").exists()
