"""Image features: against one image at a time through CLIP, and the feature files."""

import copy
import os
import shutil
import signal
import subprocess
import sys
from multiprocessing import active_children
from multiprocessing.connection import Connection
from queue import Queue

import pytest
import torch
from conftest import jpeg_bytes, write_pool
from torch.nn import functional

from pipeline_lib.clip.load import load_clip, preprocess, save_checkpoint
from pipeline_lib.features.decode import prepare_ahead
from pipeline_lib.features.encode import encode_pool
from pipeline_lib.features.store import Features, load_features, save_features, tower_id
from pipeline_lib.formats.images import read_images, read_tars
from pipeline_lib.formats.tars import write_samples
from pipeline_lib.readers.pool import read_pool
from pipeline_lib.readers.reader import find_reader


def encode_tar(model, path, *options, **named):
    """The features of the images in a tar, two at a time by one thread unless `options` say otherwise."""
    return encode_pool(model, read_tars([path]), *(options or (2, 1)), **named)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("architecture", ["vit", "resnet"])
def test_features_are_those_of_one_image_at_a_time(tmp_path, tiny_clip, tiny_resnet, architecture, threads):
    model = {"vit": tiny_clip, "resnet": tiny_resnet}[architecture]
    keys = write_pool(tmp_path / "a.tar", 7) + write_pool(tmp_path / "b.tar", 4, first=50)
    tars = [tmp_path / "a.tar", tmp_path / "b.tar"]
    found = encode_pool(model, read_tars(tars), batch_size=3, threads=threads)
    assert (found.keys, found.labels) == (keys, None)
    transform = preprocess(32)
    with torch.no_grad():
        for row, (_, image, _) in zip(found.features, read_images(tars), strict=True):
            expected = functional.normalize(model.encode_image(transform(image)[None])[0], dim=-1)
            torch.testing.assert_close(row, expected, rtol=1e-4, atol=1e-5)


def test_labels_come_along_and_must_be_complete_and_a_shard_may_be_empty(tmp_path, tiny_clip):
    write_pool(tmp_path / "a.tar", 3, label=2)
    assert encode_tar(tiny_clip, tmp_path / "a.tar").labels.tolist() == [2, 2, 2]
    write_pool(tmp_path / "b.tar", 2, first=10)
    with pytest.raises(
        ValueError,
        match=r"b\.tar: expected for sample 000000010 a label from 0, found None; 2 of 5 samples have no such",
    ):
        read_pool(find_reader("tar"), [tmp_path / "a.tar", tmp_path / "b.tar"])
    write_pool(tmp_path / "none.tar", 0)
    found = encode_tar(tiny_clip, tmp_path / "none.tar")
    assert (found.keys, found.features.shape) == ([], (0, 32))


def test_the_next_batch_is_prepared_while_the_caller_works_on_one_and_no_more(tmp_path):
    keys, reads = write_pool(tmp_path / "a.tar", 8), Queue()

    def noted(sample):
        return sample._replace(load=lambda: reads.put(sample.key) or sample.load())

    samples, shapes, read = [noted(sample) for sample in read_tars([tmp_path / "a.tar"])], [], []
    for (_, pixels), expected in zip(prepare_ahead(samples, 32, 3, 1, pin=False), (6, 8, 8), strict=True):
        shapes.append(pixels.shape)
        read += [reads.get(timeout=60) for _ in range(expected - len(read))]
        assert read == keys[:expected] and reads.empty()
    assert shapes == [(3, 32, 32, 3), (3, 32, 32, 3), (2, 32, 32, 3)]


@pytest.mark.parametrize("archive", ["folder", "zip", "tar"])
def test_several_processes_make_what_one_makes(tmp_path, tiny_clip, archive):
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(60):
        (folder / f"{number:03d}.jpg").write_bytes(jpeg_bytes((number * 4, 255 - number, 90), (40 + number, 36)))
    path = folder if archive == "folder" else shutil.make_archive(folder, archive, folder)
    samples = read_pool(find_reader("folder"), [str(path)])
    one, several = (encode_pool(tiny_clip, samples, 40, threads) for threads in (1, 4))
    assert one.keys == several.keys and one.content == several.content
    assert torch.equal(one.features, several.features)
    assert active_children() == []


def end_by_kill(*_):
    """End this process as a lack of memory does."""
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("moment", ["while it decodes", "in the middle of an answer"])
def test_a_killed_process_is_named_and_none_is_left(tmp_path, tiny_clip, monkeypatch, moment):
    write_pool(tmp_path / "a.tar", 40)
    samples = list(read_tars([tmp_path / "a.tar"]))
    if moment == "while it decodes":
        samples[30] = samples[30]._replace(load=end_by_kill)
    else:
        here, send = os.getpid(), Connection._send

        def half(pipe, content, *write):
            send(pipe, content if os.getpid() == here else content[: len(content) // 2], *write)
            if os.getpid() != here:
                end_by_kill()

        monkeypatch.setattr(Connection, "_send", half)
    with pytest.raises(ValueError, match=r"one of 2 .* that decode images was killed \(exit code -9\).* more memory"):
        encode_pool(tiny_clip, samples, 20, 2)
    assert active_children() == []


def test_processes_end_with_their_parent_when_that_is_killed(tmp_path):
    write_pool(tmp_path / "a.tar", 40)
    lines = [
        "from pipeline_lib.features.decode import prepare_ahead",
        "from pipeline_lib.formats.images import read_tars",
        f"batches = prepare_ahead(list(read_tars([{str(tmp_path / 'a.tar')!r}])), 32, 8, 2, False)",
        "next(batches)",
        "print('under way', flush=True)",
        "input()",
    ]
    with subprocess.Popen([sys.executable, "-c", "\n".join(lines)], stdin=-1, stdout=-1, text=True) as parent:
        assert parent.stdout.readline() == "under way\n"
        parent.kill()
        assert parent.stdout.read() == ""  # at the end of the last process that could write there


def test_bf16_rounds_the_tower_and_not_the_lengths(tmp_path, tiny_clip):
    write_pool(tmp_path / "a.tar", 4)
    exact, rounded = (encode_tar(tiny_clip, tmp_path / "a.tar", 2, 1, precision) for precision in ("fp32", "bf16"))
    assert 1e-5 < (exact.features - rounded.features).abs().max() < 0.02
    torch.testing.assert_close(rounded.features.norm(dim=1), torch.ones(4), rtol=1e-6, atol=0)
    assert rounded.features.dtype == torch.float32
    assert (rounded.tower, rounded.images) == (exact.tower, exact.images)
    assert rounded.content != exact.content


def test_broken_images_fp16_on_a_cpu_and_features_that_are_not_finite_are_refused(tmp_path, tiny_clip):
    write_samples(tmp_path / "cut.tar", [("1", {"jpg": jpeg_bytes()}), ("2", {"jpg": jpeg_bytes()[:300]})])
    for threads in (1, 2):
        with pytest.raises(ValueError, match=r"^\S*cut\.tar: the image of sample 2 does not decode"):
            encode_tar(tiny_clip, tmp_path / "cut.tar", 2, threads)
    write_pool(tmp_path / "a.tar", 3)
    with pytest.raises(ValueError, match="expected fp32 or bf16 on a CPU, found fp16"):
        encode_tar(tiny_clip, tmp_path / "a.tar", 2, 1, "fp16")
    broken = copy.deepcopy(tiny_clip)
    with torch.no_grad():
        broken.visual.proj.fill_(float("inf"))
    with pytest.raises(ValueError, match=r"a\.tar: in fp32 the feature of sample 000000000 is not finite"):
        encode_tar(broken, tmp_path / "a.tar")


def test_content_follows_from_keys_and_images(tmp_path, tiny_clip):
    red, blue = jpeg_bytes((200, 0, 0)), jpeg_bytes((0, 0, 200))
    pools = [(("1", red), ("2", blue)), (("1", red), ("2", blue)), (("1", blue), ("2", red)), (("3", red), ("2", blue))]
    found = []
    for number, pool in enumerate(pools):
        write_samples(tmp_path / f"{number}.tar", [(key, {"jpg": jpeg}) for key, jpeg in pool])
        found.append(encode_tar(tiny_clip, tmp_path / f"{number}.tar").content)
    assert found[0] == found[1] and len(set(found)) == 3


def shard(keys, **changes):
    """Features of a shard, with rows of length 1."""
    made = {"labels": None, "tower": "tower-1", "preprocess": "32 px", "precision": "fp32", "images": "-".join(keys)}
    rows = torch.eye(3)[[int(key) % 3 for key in keys]]
    return Features(**{"keys": keys, "features": rows, **made, **changes})


def saved(folder, *shards):
    """Write the shards; return their paths."""
    paths = [folder / f"{part:05d}.safetensors" for part in range(len(shards))]
    for path, features in zip(paths, shards, strict=True):
        save_features(path, features)
    return paths


def test_the_shards_of_a_pool_come_back_as_one(tmp_path):
    labels = torch.tensor([7, 8])
    paths = saved(tmp_path, shard(["1", "0"], labels=labels), shard([]), shard(["2"], labels=torch.tensor([9])))
    found = load_features(paths, "tower-1")
    assert found.keys == ["1", "0", "2"]
    assert torch.equal(found.features, torch.eye(3)[[1, 0, 2]])
    assert found.labels.tolist() == [7, 8, 9]
    assert torch.equal(found.rows(["2", "1", "2"], "test"), torch.eye(3)[[2, 1, 2]])
    assert found.content == load_features(paths).content != load_features(paths[:1]).content
    with pytest.raises(ValueError, match="test: 1 of 2 keys have no image feature, such as 'c'"):
        found.rows(["1", "c"], "test")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"tower": "tower-2"}, r"its tower is tower-2 and that of .*00000\.safetensors is tower-1"),
        ({"precision": "bf16"}, r"its precision is bf16 and that of .*00000\.safetensors is fp32"),
        ({"preprocess": "64 px"}, r"its preprocess is 64 px and that of .*00000\.safetensors is 32 px"),
        ({"labels": torch.tensor([0])}, r"expected labels in all shards .*00001\.safetensors has labels"),
        ({"keys": ["1"]}, r"key 1 is in .*00000\.safetensors already"),
    ],
)
def test_shards_that_do_not_fit_together_are_named(tmp_path, other, message):
    paths = saved(tmp_path, shard(["0", "1"]), shard(**{"keys": ["2"], **other}))
    with pytest.raises(ValueError, match=rf"00001\.safetensors: .*{message}"):
        load_features(paths)


def test_features_of_other_weights_and_pools_without_images_are_refused(tmp_path):
    paths = saved(tmp_path, shard(["0"]), shard([]))
    with pytest.raises(ValueError, match=r"00000\.safetensors: these features come from the image tower tower-1, but"):
        load_features(paths, "tower-2")
    with pytest.raises(ValueError, match=r"00001\.safetensors: expected features of at least one image, found none"):
        load_features(paths[1:])
    with pytest.raises(FileNotFoundError, match=r"none: no such feature file; the rule `features` makes it"):
        load_features([tmp_path / "none"])


def test_a_damaged_feature_file_is_named(tmp_path):
    (path,) = saved(tmp_path, shard(["0", "1"], labels=torch.tensor([0, 1])))
    whole = path.read_bytes()
    for kept in (0, 5, 60, -1):
        path.write_bytes(whole[:kept])
        with pytest.raises(ValueError, match=r"00000\.safetensors: expected a whole feature file, found .*; "):
            load_features([path])
    header = 8 + int.from_bytes(whole[:8], "little")
    for place in (whole.index(b"tower-1"), header + 3, len(whole) - 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ValueError, match="its content does not match its checksum"):
            load_features([path])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": torch.ones(2, 3)}, "expected rows of length 1, found 1.732051 for key 0"),
        ({"features": torch.tensor([[1.0, 0], [float("nan"), 1]])}, "expected rows of length 1, found nan for key 1"),
        ({"features": torch.eye(3)}, "expected a row for each of its 2 keys, found 3"),
    ],
)
def test_rows_that_cannot_be_features_are_refused(tmp_path, changes, message):
    paths = saved(tmp_path, shard(["0", "1"], **changes))
    with pytest.raises(ValueError, match=rf"00000\.safetensors: .*{message}"):
        load_features(paths)


def test_the_tower_is_its_image_weights(tiny_clip, tiny_checkpoint, tmp_path):
    other = load_clip(tiny_checkpoint)
    with torch.no_grad():
        other.text_projection += 1
        assert tower_id(other) == tower_id(tiny_clip)
        other.visual.proj[0, 0] += 1e-6
    assert tower_id(other) != tower_id(tiny_clip)


def test_a_checkpoint_keeps_every_bit(tmp_path, tiny_resnet):
    save_checkpoint(tmp_path / "m.pt", tiny_resnet)
    for name, value in load_clip(tmp_path / "m.pt").state_dict().items():
        assert torch.equal(value, tiny_resnet.state_dict()[name]), name
