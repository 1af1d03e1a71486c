"""FLAVA and BLIP on CC-Neg: tiny random models against a loop that scores one image and one text at a time."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import call, write_pool
from hostile import Touch

from pipeline_lib.clip.load import load_torchvision
from pipeline_lib.evaluate import ccneg_transformers
from pipeline_lib.evaluate.ccneg_transformers import MODELS, score_triplets
from pipeline_lib.formats.images import read_images
from pipeline_lib.jobs.files import write_parquet

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "no", "not", "number", "##s", *map(str, range(10))]
TOWER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
SIDE = {"height": 32, "width": 32}


def make_flava(folder):
    """Save a tiny FLAVA as it is published: with all heads of its pretraining, of which the features need none."""
    from transformers import FlavaConfig, FlavaForPreTraining
    from transformers.models.flava.image_processing_pil_flava import FlavaImageProcessorPil

    torch.manual_seed(0)
    config = FlavaConfig(
        text_config={**TOWER, "vocab_size": len(WORDS), "max_position_embeddings": 80},
        image_config={**TOWER, "image_size": 32, "patch_size": 16},
        multimodal_config=TOWER,
        image_codebook_config={"hidden_size": 8, "num_groups": 1, "vocab_size": 8},
        hidden_size=32,
        projection_dim=16,
    )
    enlarged(FlavaForPreTraining(config)).save_pretrained(folder)
    FlavaImageProcessorPil(size=SIDE, crop_size=SIDE).save_pretrained(folder)


def enlarged(model):
    """The model with larger weights, so that its scores differ."""
    for weights in model.parameters():
        weights.data *= 6
    return model


def make_blip(folder):
    from transformers import BlipConfig, BlipForImageTextRetrieval
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    torch.manual_seed(0)
    text = {**TOWER, "vocab_size": len(WORDS) + 2, "encoder_hidden_size": 32, "max_position_embeddings": 80}
    config = BlipConfig(
        text_config={**text, "bos_token_id": len(WORDS), "pad_token_id": 0, "sep_token_id": 3},
        vision_config={**TOWER, "image_size": 32, "patch_size": 16},
        image_text_hidden_size=16,
    )
    enlarged(BlipForImageTextRetrieval(config)).save_pretrained(folder)
    BlipImageProcessorPil(size=SIDE).save_pretrained(folder)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder of each kind as published."""
    load_torchvision()
    from transformers import BertTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    made = {}
    for kind, make in (("flava", make_flava), ("blip", make_blip)):
        made[kind] = tmp_path_factory.mktemp(kind)
        make(made[kind])
        (made[kind] / "vocab.txt").write_text("\n".join(WORDS) + "\n")
        BertTokenizer(str(made[kind] / "vocab.txt")).save_pretrained(made[kind])
    return made


@pytest.fixture
def split(tmp_path):
    """Triplets of eight images in two tars, stored in another order."""
    tars = [tmp_path / "eval-00000.tar", tmp_path / "eval-00001.tar"]
    keys = write_pool(tars[0], 5) + write_pool(tars[1], 3, first=5)
    negated = [f"a dog not number {n}" if n % 2 else f"no dogs {n} 1 2 3 number" for n in range(8)]
    frame = {"key": keys, "caption": [f"a dog number {n}" for n in range(8)], "negated_caption": negated}
    frame = pd.DataFrame({**frame, "negation_word": ["no", "not"] * 4, "n_pairs": [1, 2] * 4})
    frame = frame.sample(frac=1, random_state=0)
    write_parquet(tmp_path / "eval.parquet", frame)
    return tars, frame.reset_index(drop=True)


def flava_score(folder):
    """The published evaluation, one image and one text: CLS states, the text padded to 77 tokens."""
    from transformers import BertTokenizer, FlavaForPreTraining
    from transformers.models.flava.image_processing_pil_flava import FlavaImageProcessorPil

    model = FlavaForPreTraining.from_pretrained(folder).eval().flava
    process, split = FlavaImageProcessorPil.from_pretrained(folder), BertTokenizer.from_pretrained(folder)

    def score(image, text):
        words = split(text, padding="max_length", max_length=77, return_tensors="pt")
        seen = model.image_model(**process(image, return_tensors="pt")).last_hidden_state[:, 0]
        read = model.text_model(**words).last_hidden_state[:, 0]
        return torch.cosine_similarity(model.image_projection(seen), model.text_projection(read)).item()

    return score


def blip_score(folder):
    """The published evaluation, one image and one text: the whole model, probability of class 1."""
    from transformers import BertTokenizer, BlipForImageTextRetrieval
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    model = BlipForImageTextRetrieval.from_pretrained(folder).eval()
    process, split = BlipImageProcessorPil.from_pretrained(folder), BertTokenizer.from_pretrained(folder)

    def score(image, text):
        words, pixels = split(text, return_tensors="pt"), process(image, return_tensors="pt")["pixel_values"]
        logits = model(words["input_ids"], pixels, attention_mask=words["attention_mask"]).itm_score[0]
        return (logits[1].exp() / (logits[0].exp() + logits[1].exp())).item()

    return score


@pytest.mark.parametrize(("kind", "slow_score"), [("flava", flava_score), ("blip", blip_score)])
def test_scores_are_those_of_the_published_evaluation(folders, split, kind, slow_score):
    tars, triplets = split
    model = MODELS[kind](folders[kind], torch.device("cpu"))
    scores = score_triplets(model, tars, triplets, batch_size=3)
    images = {key: image for key, image, _ in read_images(tars)}
    score = slow_score(folders[kind])
    with torch.no_grad():
        expected = [
            [score(images[row.key], text) for text in (row.caption, row.negated_caption)]
            for row in triplets.itertuples()
        ]
    assert np.abs(np.diff(expected)).max() > 1e-3  # the model tells captions apart
    np.testing.assert_allclose(scores, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize(("kind", "family"), [("flava", "FLAVA"), ("blip", "BLIP")])
def test_the_command_writes_what_the_tables_read(folders, split, tmp_path, kind, family):
    tars, triplets = split
    outputs = {name: tmp_path / f"out.{name}" for name in ("record", "scores", "metrics")}
    flags = {"model": "other", "kind": kind, "path": folders[kind], "threads": 1, "images": tars, **outputs}
    assert call(ccneg_transformers.main, **flags, triplets=tmp_path / "eval.parquet") is None
    items = pd.read_parquet(outputs["scores"])
    assert list(items.columns) == ["key", "negation_word", "n_pairs", "score_true", "score_negated", "correct"]
    assert items["key"].tolist() == triplets["key"].tolist()
    assert (items["correct"] == (items["score_true"] >= items["score_negated"])).all()
    found = json.loads(outputs["metrics"].read_text())
    assert (found["model"], found["family"], found["backbone"], found["loss"]) == ("other", family, "other", None)
    first = found["metrics"][0]
    assert (first["dataset"], first["n"], first["value"]) == ("cc-neg", 8, 100 * items["correct"].mean())
    assert json.loads(outputs["record"].read_text())["recipe"]["kind"] == kind


def test_a_folder_that_is_not_whole_is_named(folders, tmp_path):
    from safetensors.torch import load_file, save_file

    cpu, copy = torch.device("cpu"), shutil.copytree(folders["blip"], tmp_path / "copy")
    weights = load_file(copy / "model.safetensors")
    del weights["itm_head.weight"]  # transformers would draw it at random and only warn
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"copy: expected all weights .* 1 missing, such as itm_head\.weight"):
        MODELS["blip"](copy, cpu)
    (copy / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"copy: not the files of a BlipForImageTextRetrieval"):
        MODELS["blip"](copy, cpu)
    (copy / "tokenizer.json").unlink()
    (copy / "vocab.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"copy: .* but tokenizer\.json or vocab\.txt is missing"):
        MODELS["blip"](copy, cpu)


def test_a_tokenizer_of_another_model_is_refused(folders, tmp_path):
    copy = shutil.copytree(folders["flava"], tmp_path / "copy")
    (copy / "tokenizer.json").unlink()
    (copy / "vocab.txt").write_text("\n".join(WORDS[:-3]) + "\n")
    with pytest.raises(ValueError, match="expected a tokenizer of the model's 21 words, found one of 18"):
        MODELS["flava"](copy, torch.device("cpu"))


def test_weights_that_are_pickled_code_do_not_run(folders, tmp_path):
    copy = shutil.copytree(folders["blip"], tmp_path / "copy")
    (copy / "model.safetensors").unlink()
    torch.save({"itm_head.weight": Touch(tmp_path / "executed")}, copy / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"copy: not the files of a BlipForImageTextRetrieval"):
        MODELS["blip"](copy, torch.device("cpu"))
    assert not (tmp_path / "executed").exists()


class Constant:
    """A model that scores everything alike."""

    def __init__(self, value):
        self.value = value

    def prepare(self, sample):
        return torch.zeros(3, 1, 1)

    def score(self, pixels, *texts):
        return torch.full((len(pixels), len(texts)), self.value)


def test_images_and_triplets_must_fit(split):
    tars, triplets = split
    assert (score_triplets(Constant(0.5), tars, triplets, 3) == 0.5).all()
    with pytest.raises(ValueError, match=r"eval-00000\.tar, .*images of 7 triplets, found 8; 1 are on one side"):
        score_triplets(Constant(0.5), tars, triplets.iloc[1:].reset_index(drop=True), 3)
    with pytest.raises(ValueError, match="images of 8 triplets, found 5; 3 are on one side alone, such as '00000000"):
        score_triplets(Constant(0.5), tars[:1], triplets, 3)
    with pytest.raises(ValueError, match=r"eval-0000\d\.tar: the score of sample \d+ is not finite"):
        score_triplets(Constant(float("nan")), tars, triplets, 3)
