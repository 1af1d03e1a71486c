"""Scoring images of one's own: every kind of model as CLIP itself, one image and one caption at a time; mistakes."""

import shlex
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from conftest import ROOT, call, jpeg_bytes
from models import make_siglip
from PIL import Image
from scoring import CAPTIONS, make_work_folder
from torch.nn.functional import cosine_similarity, normalize

from pipeline_lib import score
from pipeline_lib.clip.load import clip, load_clip, preprocess
from pipeline_lib.formats.pixels import as_shown
from pipeline_lib.jobs import extras
from pipeline_lib.jobs.files import write_json
from pipeline_lib.jobs.run_record import baseline
from pipeline_lib.score import __main__ as command_line
from pipeline_lib.score.__main__ import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working folder with a run of five models, exports of one of them, images and captions."""
    folder = tmp_path_factory.mktemp("work")
    make_work_folder(folder)
    return folder


@pytest.fixture(autouse=True)
def in_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)


def ask(*arguments):
    return call(main, "--model", "conclip-rn-s0", *arguments)


def slowly(model, images, captions):
    """Cosine and logit of each image with each caption, one by one, by CLIP's own functions."""
    found = []
    for path, caption in product(images, captions):
        with torch.no_grad(), Image.open(path) as image:
            pixels = preprocess(model.visual.input_resolution)(as_shown(image))[None]
            tokens = clip.tokenize([caption])
            cosine = cosine_similarity(model.encode_image(pixels), model.encode_text(tokens))
            found.append((cosine.item(), model(pixels, tokens)[0].item()))
    return np.array(found).T


def weights(name, stage="finetune"):
    return load_clip(f"results/miniature/{stage}/{name}/model.pt")


def test_every_kind_of_model_scores_as_clip_does_one_by_one():
    names = ["l1-rn-s0", "results/miniature/finetune/conclip-rn-s0/model.pt", "hf-clip/"]
    names += ["open_clip:local-dir:open-clip", "transformers:hf-clip", "conclip-rn-s0"]
    command = [sys.executable, "-m", "pipeline_lib.score", "--image", "photos", "--captions", "captions.txt"]
    command += [word for name in names for word in ("--model", name)] + ["--output", "all.csv"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "photos: 3 images; left out are 1 other files, such as 'notes.txt'" in done.stderr
    assert "encode: 3 images" in done.stderr and "all.csv: 84 rows" in done.stderr
    table = done.stdout.splitlines()
    assert max(map(len, table)) <= 80 and table[-2] == "... and 24 further rows, all of which --output FILE.csv writes"
    scores = pd.read_csv("all.csv")
    assert list(scores.columns) == ["model", "image", "caption", "score", "share"]
    assert list(scores["model"].unique()) == ["mini-rn", *names]  # each CLIP of a run once, before what started from it
    images = ["photos/a.jpg", "photos/b.png", "photos/more/c.png"]
    for name, part in scores.groupby("model"):
        stage, source = ("finetune", name if name == "l1-rn-s0" else "conclip-rn-s0")
        model = weights("mini-rn", "backbones") if name == "mini-rn" else weights(source, stage)
        cosines, logits = slowly(model, images, CAPTIONS)
        assert list(zip(part["image"], part["caption"], strict=True)) == list(product(images, CAPTIONS)), name
        np.testing.assert_allclose(part["score"], cosines, atol=1e-5, err_msg=name)
        shares = torch.tensor(logits).reshape(3, 4).softmax(dim=1).flatten()
        np.testing.assert_allclose(part["share"], shares, atol=1e-4, err_msg=name)
        best = part.iloc[int(part["score"][:4].argmax())]
        if name in done.stdout:
            assert f"* {100 * best.score:.2f}" in done.stdout, name


def test_siglip_scores_as_its_own_forward_pass_one_by_one(tmp_path):
    model = make_siglip(tmp_path)
    from transformers import AutoTokenizer, SiglipImageProcessorPil

    tokenizer, transform = AutoTokenizer.from_pretrained(tmp_path), SiglipImageProcessorPil.from_pretrained(tmp_path)
    command = ("--captions", "captions.txt", "--image", "photos/more/c.png", "--output", "siglip.csv")
    assert call(main, "--model", f"transformers:{tmp_path}", *command) is None
    with torch.no_grad(), Image.open("photos/more/c.png") as image:
        pixels = transform(image, return_tensors="pt")["pixel_values"]
        texts = [tokenizer(text, padding="max_length", max_length=64, return_tensors="pt") for text in CAPTIONS]
        logits = torch.cat([model(text["input_ids"], pixels).logits_per_image[0] for text in texts])
    scores = pd.read_csv("siglip.csv")
    np.testing.assert_allclose(scores["share"], logits.softmax(dim=0), atol=1e-5)
    cosines = (logits - model.logit_bias) / model.logit_scale.exp()
    np.testing.assert_allclose(scores["score"], cosines.detach(), atol=1e-5)
    assert scores["score"].std() > 1e-3  # they tell captions apart
    assert "64 tokens" in call(main, "dog " * 63, "--image", "dog.jpg", "--model", f"transformers:{tmp_path}")


def test_by_subtraction_a_caption_is_what_it_affirms_minus_what_it_denies(capsys):
    for library in ("results/miniature/finetune/conclip-rn-s0/model.pt", "open_clip:local-dir:open-clip"):
        command = ("--model", library, "--subtract", 0.5, "no dog", "a dog", "--image", "photos/a.jpg")
        assert call(main, *command, "--output", "subtracted.csv") is None
        scores = pd.read_csv("subtracted.csv")
        assert list(scores["model"].unique()) == [library, f"{library}, subtraction"]
        model = weights("conclip-rn-s0")
        with torch.no_grad(), Image.open("photos/a.jpg") as image:
            seen = normalize(model.encode_image(preprocess(32)(as_shown(image))[None]), dim=-1)[0]
            affirmed, denied = normalize(model.encode_text(clip.tokenize(["a photo", "dog"])), dim=-1)
            difference = normalize(affirmed - 0.5 * denied, dim=0)
        assert scores["score"][2] == pytest.approx((seen @ difference).item(), abs=1e-5)
        assert scores["score"][3] == pytest.approx(scores["score"][1], abs=1e-6)
        assert "subtraction: affirms 'a photo', denies ['dog']" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["csv", "tsv", "parquet"])
@pytest.mark.parametrize("places", [[], ["--image", "."]], ids=["beside the table", "in a folder"])
def test_rows_with_an_image_are_scored_one_by_one_in_their_order(form, places, capsys, folder, tmp_path):
    pairs = pd.read_csv("pairs.csv").assign(note=1)
    table = folder / f"rows.{form}"
    if form == "parquet":
        pairs.to_parquet(table, index=False)
    else:
        pairs.to_csv(table, index=False, sep="," if form == "csv" else "\t")
    if places:
        table = table.rename(tmp_path / table.name)
    assert ask("--captions", table, *places, "--output", tmp_path / "o.parquet") is None
    left_out = "no row names 1 of the images, such as 'photos/more/c.png'; they are not scored"
    assert (left_out in capsys.readouterr().err) == bool(places)
    scores = pd.read_parquet(tmp_path / "o.parquet")
    scores = scores[scores["model"] == "conclip-rn-s0"].reset_index(drop=True)
    assert scores[["image", "caption"]].equals(pairs[["image", "caption"]])
    alone = [slowly(weights("conclip-rn-s0"), [row.image], [row.caption]) for row in pairs.itertuples()]
    cosines, logits = np.concatenate(alone, axis=1)
    np.testing.assert_allclose(scores["score"], cosines, atol=1e-5)
    both = torch.tensor(logits[[0, 2]]).softmax(dim=0).tolist()  # the captions of one image
    np.testing.assert_allclose(scores["share"], [both[0], 1, both[1], 1], atol=1e-4)


def test_a_caption_that_is_given_twice_is_scored_once(tmp_path, capsys):
    (tmp_path / "c.txt").write_text("a café\na dog\na cafe\u0301\nA dog\na  dog\n")
    assert ask("--captions", tmp_path / "c.txt", "--image", "dog.jpg", "--output", "once.csv") is None
    said = capsys.readouterr()
    assert "c.txt: 2 of 5 captions are there already, first caption 3, 'a cafe\u0301'; they are scored" in said.err
    scores = pd.read_csv("once.csv")
    assert scores["caption"].tolist() == ["a café", "a dog", "A dog"] * 2
    assert scores.groupby("model")["share"].sum().tolist() == pytest.approx([1, 1])
    assert (scores["score"][1::3].to_numpy() == scores["score"][2::3]).all()  # CLIP's tokenizer makes them one: a tie
    assert " * " in said.out
    rows = [("dog.jpg", "a dog"), ("photos/b.png", "a dog"), ("dog.jpg", "a dog"), ("dog.jpg", "no dog")]
    pd.DataFrame(rows, columns=["image", "caption"]).to_csv("twice.csv", index=False)
    assert ask("--captions", "twice.csv", "--output", "once.csv") is None
    assert "1 of 4 captions are there already for the same image, first caption 3" in capsys.readouterr().err
    scored = pd.read_csv("once.csv")[:3]
    assert list(zip(scored["image"], scored["caption"], strict=True)) == [*rows[:2], rows[3]]


@pytest.mark.parametrize("asked", [("--captions", "captions.txt", "--image", "photos"), ("--captions", "pairs.csv")])
def test_in_blocks_the_scores_are_the_same(asked, tmp_path, monkeypatch):
    for name in ("whole", "blocks"):
        command = (*asked, "--subtract", 0.5, "--output", tmp_path / f"{name}.parquet")
        assert call(main, "--model", "mini-rn", *command) is None
        monkeypatch.setattr(score, "ROWS_PER_BLOCK", 5)  # an image with its four captions
        monkeypatch.setattr(score, "ROWS_PER_PRODUCT", 3)
    whole, blocks = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("whole", "blocks"))
    pd.testing.assert_frame_equal(whole, blocks, atol=1e-6)
    written = pq.ParquetFile(tmp_path / "blocks.parquet").metadata  # a block is written, and left, before the next
    sizes = [written.row_group(number).num_rows for number in range(written.num_row_groups)]
    assert sizes == ([4] * 2 if asked[1] == "pairs.csv" else [4] * 3 * 2)


def test_what_no_file_holds_is_refused_and_what_nobody_sees_is_not_computed(tmp_path, monkeypatch, capsys):
    (tmp_path / "c.txt").write_text("\n".join(f"a dog {number}" for number in range(40)))
    command = ("--captions", tmp_path / "c.txt", "--image", "photos")
    assert ask(*command) is None
    said = capsys.readouterr()
    assert "encode: 2 images" in said.err and "... and 180 further rows" in said.out
    monkeypatch.setattr(command_line, "MOST_ROWS", 239)
    said = ask(*command, "--output", tmp_path / "o.csv")
    assert "expected at most 239 scores" in said and "found 240: 120 of images with captions, times 2 models" in said


def test_long_names_are_shortened_in_the_printed_table_alone(tmp_path, monkeypatch, capsys):
    folder = tmp_path / ("a-folder-with-a-long-name/" * 3)
    folder.mkdir(parents=True)
    images = [str(shutil.copy("dog.jpg", folder / f"IMG-2024-07-31-{number}.jpg")) for number in range(2)]
    model = str(Path("results/miniature/finetune/conclip-rn-s0/model.pt").absolute())
    command = ("a caption of eight words that wraps", "no", "--subtract", 1, "--output", tmp_path / "o.csv")
    monkeypatch.setenv("COLUMNS", "100")
    assert call(main, *command, "--image", *images, "--model", model) is None
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 100 for line in lines)
    assert [line.split()[0] for line in lines[2:] if line.startswith("…")] == [f"…{path[-24:]}" for path in images]
    assert sum(f"…{model[-23:]}" in line for line in lines) == 2 * 2 * 2  # images, captions, with and without
    assert pd.read_csv(tmp_path / "o.csv")["image"].unique().tolist() == images
    alike = pd.Series(["a/the-same.jpg", "b/the-same.jpg"])
    assert command_line.shortened(alike, 11).equals(alike)  # wraps, where the ends would not tell which is which


def test_the_commands_of_the_page_run(folder, monkeypatch):
    page = (ROOT / "docs" / "score.md").read_text()
    blocks = [block.replace("\\\n", " ") for block in page.split("```")[1::2]]
    commands = [shlex.split(line) for block in blocks for line in block.splitlines() if line.strip()]
    assert len(commands) == 4
    for command in commands:
        assert command[:3] == ["python", "-m", "pipeline_lib.score"]
        assert call(main, *command[3:]) is None, command


def test_mistakes_are_named(tmp_path):
    image = ("--image", "dog.jpg")
    say = lambda *arguments: call(main, *arguments)  # noqa: E731
    assert "no model 'conclip'; this run has mini-rn, other, " in say("a dog", *image, "--model", "conclip")
    assert "has models of miniature: name one with --run" in ask("a dog", *image, "--run", "paper")
    assert "`make tables` makes one" in ask("a dog", *image, "--results", tmp_path)
    (tmp_path / "begun").mkdir()
    assert "this run has no model yet" in ask("a dog", *image, "--results", tmp_path, "--run", "begun")
    record = tmp_path / "begun" / "finetune" / "conclip-rn-s0" / "run.json"
    write_json(record, baseline("conclip-rn-s0", "CoN-CLIP", "gone"))
    (record.parent / "model.pt").touch()
    assert "started from 'gone'" in ask("a dog", *image, "--results", tmp_path, "--run", "begun")
    assert "no such file or folder; expected a checkpoint" in say("a dog", *image, "--model", "gone/model.pt")
    torch.save({"state_dict": weights("l1-rn-s0").state_dict()}, tmp_path / "bare.pt")
    assert "--activation quickgelu" in say("a dog", *image, "--model", tmp_path / "bare.pt")
    assert say("a dog", *image, "--model", tmp_path / "bare.pt", "--activation", "quickgelu") is None
    assert "caption 2 is empty" in ask("a dog", " ", *image)
    assert "expected captions" in ask(*image)
    assert "expected images" in ask("a dog")
    assert "captions go before --image" in ask(*image, "a dog")
    assert "found both: 'a dog'" in ask("a dog", *image, "--captions", "captions.txt")
    assert "dog.jpg: --image names it twice" in ask("a dog", *image, "dog.jpg")
    assert "expected a .csv or .parquet" in ask("a dog", *image, "--output", "scores.xlsx")
    (tmp_path / "empty").mkdir()
    assert "expected images" in ask("a dog", "--image", tmp_path / "empty")
    (tmp_path / "dog.jpg").write_bytes(jpeg_bytes())
    said = ask("--captions", "pairs.csv", "--image", ".", tmp_path)
    assert "expected images of different names" in said and "found 'dog.jpg'" in said


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("c.csv", "text,image\na dog,dog.jpg\n", "expected the columns caption, each once, found text, image"),
        (
            "c.csv",
            "image,caption\ndog.jpg,a dog, red\n",
            "line 2: expected 2 cells as in the header, found 3; put",
        ),
        ("c.tsv", "image,text\ndog.jpg,a dog\n", "expected the columns caption, each once, found image,text"),
        ("c.csv", "image,caption\ngone.jpg,a dog\n", "1 of 1 images are not in"),
        ("c.csv", "caption\n\n", "expected at least one row, found none"),
        ("c.txt", "a d\0g\n", "line 1: expected text, found the control character"),
        ("c.csv", 'caption\n""\n', "line 2: expected the texts caption, not empty"),
        ("c.txt", "a dog\n\na cat\n", "line 2: expected the texts caption, not empty"),
        ("c.docx", "a dog", "expected captions in a .txt, .csv, .tsv or .parquet"),
        ("c.parquet", "a dog", "expected a whole Parquet file, found a text"),
        ("c.csv", None, "no such file or folder; expected a file of captions"),
    ],
)
def test_a_file_of_captions_of_another_form_is_named(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_text(content)
    found = ask("--captions", tmp_path / name, *(() if content and "image" in content else ("--image", "dog.jpg")))
    assert said in found and name in found


def test_captions_that_are_too_long_are_an_error_of_every_library():
    long = "dog " * 76
    for name in ("conclip-rn-s0", "open_clip:local-dir:open-clip", "transformers:hf-clip"):
        assert "77 tokens" in call(main, "a dog", long, "--image", "dog.jpg", "--model", name), name
        assert call(main, "a dog", "dog " * 75, "--image", "dog.jpg", "--model", name) is None, name


def test_all_images_that_do_not_decode_are_named(tmp_path):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / name).write_bytes(jpeg_bytes() if name == "a.jpg" else b"<svg/>")
    said = ask("a dog", "--image", tmp_path, "--output", tmp_path / "o.csv")
    assert "2 of 3 images do not decode" in said and "b.jpg" in said and "c.jpg" in said
    assert not (tmp_path / "o.csv").exists()


@pytest.mark.parametrize("name", ["open_clip", "transformers"])
def test_a_library_that_is_not_installed_is_named_with_its_command(monkeypatch, name):
    monkeypatch.setattr(extras, "find_spec", lambda module: None)
    said = call(main, "a dog", "--image", "dog.jpg", "--model", f"{name}:local-dir:open-clip")
    assert f"pip install -e '.[{name}]'" in said


def test_what_a_library_cannot_load_is_named(tmp_path):
    say = lambda name: call(main, "a dog", "--image", "dog.jpg", "--model", name)  # noqa: E731
    assert "open_clip cannot load it" in say("open_clip:ViT-B-32/none")
    assert "transformers cannot load it" in say(f"transformers:{tmp_path}")
