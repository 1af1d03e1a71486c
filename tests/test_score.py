"""Scoring an image of one's own: the numbers are clip's, the table fits a terminal, mistakes are named."""

import json

import numpy as np
import pytest
import torch
from conftest import TINY_RESNET, call, jpeg_bytes
from PIL import Image
from torch.nn import functional

from pipeline_lib import score
from pipeline_lib.backbones.pretrain import build
from pipeline_lib.clip.load import clip, load_clip, preprocess, save_checkpoint
from pipeline_lib.jobs.files import write_json
from pipeline_lib.jobs.run_record import baseline
from pipeline_lib.score.__main__ import main

CAPTIONS = ["this is a photo of a dog", "this is not a photo of a dog", "no dog"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The folder of results with a run of four models of two backbones, and an image."""
    folder = tmp_path_factory.mktemp("results")
    (folder / "active-run.txt").write_text("small\n")
    (folder / "dog.jpg").write_bytes(jpeg_bytes())
    for seed, (stage, name, backbone) in enumerate(
        [
            ("backbones", "tiny", "tiny"),
            ("backbones", "other", "other"),
            ("finetune", "conclip-s0", "tiny"),
            ("finetune", "conclip-s1", "tiny"),
            ("finetune", "l1-other-s0", "other"),
        ]
    ):
        torch.manual_seed(seed)
        model = build(TINY_RESNET)
        with torch.no_grad():
            model.logit_scale.fill_(seed + 1.0)
        save_checkpoint(folder / "small" / stage / name / "model.pt", model)
        family = "CLIP" if name == backbone else "CoN-CLIP"
        write_json(folder / "small" / stage / name / "run.json", baseline(name, family, backbone))
    return folder


def ask(results, *arguments):
    return call(main, "--results", results, "--image", results / "dog.jpg", *arguments)


def test_numbers_are_those_of_clip_itself(results, capsys):
    assert ask(results, "--json", "--model", "conclip-s0", *CAPTIONS) is None
    said = json.loads(capsys.readouterr().out)
    assert (said["run"], said["captions"]) == ("small", CAPTIONS)
    assert [(one["model"], one["family"]) for one in said["models"]] == [("tiny", "CLIP"), ("conclip-s0", "CoN-CLIP")]
    for one, stage in zip(said["models"], ("backbones", "finetune"), strict=True):
        model = load_clip(results / "small" / stage / one["model"] / "model.pt")
        with torch.no_grad(), Image.open(results / "dog.jpg") as image:
            pixels = preprocess(model.visual.input_resolution)(image)[None]
            logits, _ = model(pixels, clip.tokenize(CAPTIONS))
            texts = model.encode_text(clip.tokenize(CAPTIONS))
            cosines = functional.cosine_similarity(model.encode_image(pixels), texts)
        assert one["cosines"] == pytest.approx(cosines.tolist(), abs=1e-5)
        assert one["shares"] == pytest.approx(logits.softmax(dim=1)[0].tolist(), abs=1e-4)
        assert one["prefers"] == int(cosines.argmax()) + 1


def test_each_clip_stands_once_before_its_models(results, capsys):
    names = ["conclip-s1", "l1-other-s0", "conclip-s0", "tiny"]
    flags = [word for name in names for word in ("--model", name)]
    assert ask(results, "--json", *flags, "a dog") is None
    said = json.loads(capsys.readouterr().out)["models"]
    assert [one["model"] for one in said] == ["tiny", "conclip-s1", "conclip-s0", "other", "l1-other-s0"]


def test_several_images_are_scored_together_as_each_alone(results):
    models = score.find_models(results / "small", ["conclip-s0"])
    images = {colour: Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")}
    together = score.score(models, images, CAPTIONS)
    assert len(together) == 2 * 2 * 3
    for name, image in images.items():
        alone = score.score(models, {name: image}, CAPTIONS)
        among = together[together.image == name].reset_index(drop=True)
        assert among.caption.tolist() == CAPTIONS * 2 and among.share.sum() == pytest.approx(2)
        np.testing.assert_allclose(among[["cosine", "share"]], alone[["cosine", "share"]], atol=1e-5)


def test_the_table_has_every_number_within_80_columns(results, capsys):
    captions = ["a dog", "not a dog, " + "but a caption that goes on and on " * 4]
    names = ["conclip-s0", "conclip-s1", "l1-other-s0"]
    flags = [word for name in names for word in ("--model", name)]
    assert ask(results, *flags, *captions) is None
    table = capsys.readouterr().out
    assert max(map(len, table.splitlines())) <= 80
    assert ask(results, "--json", *flags, *captions) is None
    for one in json.loads(capsys.readouterr().out)["models"]:
        assert one["model"] in table
        for cosine, share in zip(one["cosines"], one["shares"], strict=True):
            assert f"{100 * cosine:6.2f} {100 * share:6.1f}%" in table
    assert table.count("prefers") == 2  # five models take two tables


def test_equal_captions_are_a_tie(results, capsys):
    assert ask(results, "--model", "tiny", "a dog", "a dog") is None
    assert "none (a tie)" in capsys.readouterr().out
    assert ask(results, "--json", "--model", "tiny", "a dog", "a dog") is None
    assert json.loads(capsys.readouterr().out)["models"][0]["prefers"] is None


def test_mistakes_are_named(results, tmp_path):
    assert "no model 'conclip'; this run has other, tiny, conclip-s0, " in ask(results, "--model", "conclip", "a dog")
    assert "no such run; " in ask(results, "--run", "paper", "--model", "tiny", "a dog")
    assert "has models of small: name one with --run" in ask(results, "--run", "paper", "--model", "tiny", "a dog")
    assert "takes 92" in ask(results, "--model", "tiny", "a dog", "dog " * 90)
    assert "caption 2 is empty" in ask(results, "--model", "tiny", "a dog", " ")
    assert ask(results, "--model", "tiny") == 2  # no caption
    assert "`make tables` makes one" in ask(tmp_path, "--model", "tiny", "a dog")
    (tmp_path / "begun").mkdir()
    assert "this run has no model yet; `snakemake" in ask(tmp_path, "--run", "begun", "--model", "tiny", "a dog")
    record = tmp_path / "begun" / "finetune" / "alone" / "run.json"
    write_json(record, baseline("alone", "CoN-CLIP", "gone"))
    (record.parent / "model.pt").touch()
    assert "started from 'gone'" in ask(tmp_path, "--run", "begun", "--model", "alone", "a dog")
    write_json(record, {"model": "alone"})
    assert "run.json: expected the fields" in ask(tmp_path, "--run", "begun", "--model", "alone", "a dog")


def test_what_is_no_image_is_named(tmp_path, monkeypatch):
    path = tmp_path / "dog.jpg"
    with pytest.raises(FileNotFoundError, match=r"dog\.jpg: no such image"):
        score.read_image(path)
    path.write_text("<svg/>")
    with pytest.raises(ValueError, match=r"dog\.jpg: expected an image \(JPEG, .*\), found something else"):
        score.read_image(path)
    path.write_bytes(jpeg_bytes(size=(300, 300))[:900])
    with pytest.raises(ValueError, match=r"dog\.jpg: the image does not decode"):
        score.read_image(path)
    Image.new("1", (30, 30)).save(path, "PPM")  # Pillow reads it, the pipeline does not
    with pytest.raises(ValueError, match="found something else"):
        score.read_image(path)
    monkeypatch.setattr(score, "MOST_PIXELS", 1000)
    path.write_bytes(jpeg_bytes())
    with pytest.raises(ValueError, match=r"dog\.jpg: expected at most 1,000 pixels"):
        score.read_image(path)


def test_by_subtraction_each_model_scores_twice_and_the_split_is_said(results, capsys):
    assert ask(results, "--json", "--model", "tiny", "--subtract", 0.5, *CAPTIONS) is None
    plain, by_subtraction = json.loads(capsys.readouterr().out)["models"]
    assert (by_subtraction["model"], by_subtraction["family"]) == ("tiny-subtract", "CLIP, subtraction")
    assert by_subtraction["cosines"][0] == pytest.approx(plain["cosines"][0], abs=1e-6)
    assert by_subtraction["cosines"][1] != pytest.approx(plain["cosines"][1], abs=1e-3)
    assert ask(results, "--model", "tiny", "--subtract", 0.5, *CAPTIONS) is None
    said = capsys.readouterr().out.splitlines()
    assert said[-2:] == [
        "subtraction: 2 affirms 'a photo', denies ['a photo of a dog']",
        "subtraction: 3 affirms 'a photo', denies ['dog']",
    ]
