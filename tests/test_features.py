"""Image features: against one image at a time through CLIP, and the feature files."""

import pytest
import torch
from conftest import TINY_RESNET, write_pool
from PIL import Image
from torch.nn import functional

from pipeline_lib.backbones.pretrain import build
from pipeline_lib.clip_door import load_clip, preprocess, save_checkpoint
from pipeline_lib.features.encode import encode_pool
from pipeline_lib.features.store import Features, load_features, save_features, tower_id
from pipeline_lib.images import read_images


@pytest.fixture(scope="module")
def resnet():
    """A ResNet CLIP with random weights."""
    torch.manual_seed(0)
    return build(TINY_RESNET).eval()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("architecture", ["vit", "resnet"])
def test_features_are_those_of_one_image_at_a_time(tmp_path, tiny_clip, resnet, architecture, threads):
    model = {"vit": tiny_clip, "resnet": resnet}[architecture]
    keys = write_pool(tmp_path / "a.tar", 7) + write_pool(tmp_path / "b.tar", 4, first=50)
    tars = [tmp_path / "a.tar", tmp_path / "b.tar"]
    found = encode_pool(model, tars, batch_size=3, threads=threads)
    assert found.keys == keys
    assert found.labels is None
    transform = preprocess(32)
    with torch.no_grad():
        for row, (_, image, _) in zip(found.features, read_images(tars), strict=True):
            expected = functional.normalize(model.encode_image(transform(image)[None])[0], dim=-1)
            torch.testing.assert_close(row, expected, rtol=1e-4, atol=1e-5)


def test_labels_come_along_and_must_be_complete(tmp_path, tiny_clip):
    write_pool(tmp_path / "a.tar", 3, label=2)
    assert encode_pool(tiny_clip, [tmp_path / "a.tar"], 2, 1).labels.tolist() == [2, 2, 2]
    write_pool(tmp_path / "b.tar", 2, first=10)
    with pytest.raises(ValueError, match="3 of 5 samples have a label"):
        encode_pool(tiny_clip, [tmp_path / "a.tar", tmp_path / "b.tar"], 2, 1)


def test_an_empty_pool_is_an_error(tmp_path, tiny_clip):
    write_pool(tmp_path / "a.tar", 0)
    with pytest.raises(ValueError, match=r"a\.tar: expected images, found none"):
        encode_pool(tiny_clip, [tmp_path / "a.tar"], 2, 1)


def test_a_feature_file_comes_back_and_guards_its_tower(tmp_path):
    written = Features(["a", "b"], torch.eye(2), torch.tensor([1, 0]), "tower-1")
    save_features(tmp_path / "f.safetensors", written)
    found = load_features(tmp_path / "f.safetensors", "tower-1")
    assert found.keys == ["a", "b"]
    assert torch.equal(found.features, torch.eye(2))
    assert found.labels.tolist() == [1, 0]
    assert found.rows(["b", "a", "b"], "test").tolist() == [[0, 1], [1, 0], [0, 1]]
    with pytest.raises(ValueError, match=r"f\.safetensors: these features come from the image tower tower-1"):
        load_features(tmp_path / "f.safetensors", "tower-2")
    with pytest.raises(ValueError, match="1 of 2 keys have no image feature, such as 'c'"):
        found.rows(["a", "c"], "test")


@pytest.mark.parametrize("kept", [0, 5, 60])
def test_a_truncated_feature_file_is_named(tmp_path, kept):
    path = tmp_path / "f.safetensors"
    save_features(path, Features(["a"], torch.ones(1, 4), None, "t"))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"f\.safetensors: not a whole feature file"):
        load_features(path)


def test_the_tower_is_its_image_weights(tiny_clip, tiny_checkpoint, tmp_path):
    other = load_clip(tiny_checkpoint)
    with torch.no_grad():
        other.text_projection += 1
        assert tower_id(other) == tower_id(tiny_clip)
        other.visual.proj[0, 0] += 1e-6
    assert tower_id(other) != tower_id(tiny_clip)


def test_a_checkpoint_keeps_every_bit_and_foreign_files_are_refused(tmp_path, resnet):
    save_checkpoint(tmp_path / "m.pt", resnet)
    for name, value in load_clip(tmp_path / "m.pt").state_dict().items():
        assert torch.equal(value, resnet.state_dict()[name]), name
    torch.save({"model": {}, "args": Image.Image}, tmp_path / "pickled.pt")
    for name, content in (("text.pt", b"no checkpoint"), ("empty.pt", b"")):
        (tmp_path / name).write_bytes(content)
    for name in ("pickled.pt", "text.pt", "empty.pt"):
        with pytest.raises(ValueError, match=rf"{name}: expected a checkpoint"):
            load_clip(tmp_path / name)
