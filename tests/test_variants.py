"""The same weights computed in another way: in fp16 as published, and with the other activation."""

import copy

import pandas as pd
import pytest
import torch
from benchmarks import TEXTS, evaluate, random_rows, read_text, write_features, write_questions, write_triplets
from conftest import call, write_pool
from torch.nn import functional

from pipeline_lib.clip.load import activation_of, clip, preprocess, save_checkpoint
from pipeline_lib.clip.text_tower import encode_captions
from pipeline_lib.clip.variants import vary
from pipeline_lib.evaluate import activation, benchmark, ccneg
from pipeline_lib.evaluate.benchmark import score_choices
from pipeline_lib.evaluate.declaration import Choice
from pipeline_lib.evaluate.kinds import KINDS
from pipeline_lib.features import encode
from pipeline_lib.features.store import load_features, tower_id
from pipeline_lib.formats.images import read_images
from pipeline_lib.jobs.files import write_json
from pipeline_lib.jobs.run_record import baseline


def as_clip_load_on_a_gpu(model):
    """The model as ``clip.load`` builds it from released weights, before ``.float()``, which follows on a CPU alone."""
    return clip.model.build_model(dict(model.state_dict()))


@pytest.fixture(params=["vit", "resnet"])
def model(request, tiny_clip, tiny_resnet):
    return {"vit": tiny_clip, "resnet": tiny_resnet}[request.param]


@torch.no_grad()
def test_fp16_is_what_clip_load_computes_on_a_gpu(tmp_path, model):
    save_checkpoint(tmp_path / "model.pt", model)
    write_pool(tmp_path / "pool.tar", 5)
    flags = {"weights": tmp_path / "model.pt", "reader": "tar", "images": tmp_path / "pool.tar", "part": 0, "parts": 1}
    flags |= {"batch_size": 5, "precision": "fp32", "threads": 1, "variant": "fp16"}
    assert call(encode.main, **flags, output=tmp_path / "pool.safetensors") is None
    published, mine = as_clip_load_on_a_gpu(model), vary(copy.deepcopy(model), "fp16")
    assert {name: value.dtype for name, value in mine.state_dict().items()} == {
        name: value.dtype for name, value in published.state_dict().items()
    }

    pixels = torch.stack([preprocess(32)(image) for _, image, _ in read_images([tmp_path / "pool.tar"])])
    images = published.encode_image(pixels)
    images /= images.norm(dim=-1, keepdim=True)
    found = load_features([tmp_path / "pool.safetensors"], tower_id(mine))
    assert found.precision == "fp16 as clip.load"
    assert torch.allclose(found.features, images.float(), atol=1e-3) and images.dtype == torch.float16
    assert torch.equal(found.features, found.features.half().float())
    texts = published.encode_text(clip.tokenize(TEXTS[:9]))
    texts /= texts.norm(dim=-1, keepdim=True)
    assert torch.equal(encode_captions(mine, TEXTS[:9]), texts)
    with pytest.raises(ValueError, match="these features come from the image tower"):
        load_features([tmp_path / "pool.safetensors"], tower_id(model))  # they never stand in for those in fp32


@torch.no_grad()
def test_in_fp16_captions_tie_which_is_right_on_ccneg_and_wrong_on_sugarcrepe(tmp_path, tiny_clip, tiny_checkpoint):
    mine, half = vary(copy.deepcopy(tiny_clip), "fp16"), as_clip_load_on_a_gpu(tiny_clip)
    keys = [f"{number:09d}" for number in range(50)]
    texts = encode_captions(tiny_clip, TEXTS)
    images = functional.normalize(texts.mean(dim=0) + 0.1 * random_rows(50), dim=-1).half()
    nearest = (images.float() @ texts.T).argsort(dim=1)[:, 40:42].tolist()  # two texts that fit an image nearly alike
    captions, negated = ([TEXTS[pair[place]] for pair in nearest] for place in (0, 1))
    features = write_features(tmp_path / "pool.safetensors", mine, keys, images.float())
    triplets = write_triplets(tmp_path / "eval.parquet", keys, captions, negated)
    flags = ("--triplets", triplets, "--features", features, "--precision", "fp16")
    items, _ = evaluate(ccneg.main, tmp_path, tiny_checkpoint, *flags, "--embeddings", tmp_path / "embeddings.json")

    def text(caption):
        found = half.encode_text(clip.tokenize([caption]))
        found /= found.norm(dim=-1, keepdim=True)
        return found

    ties, correct, strictly = [], [], []
    for image, pair in zip(images[:, None], zip(captions, negated, strict=True), strict=True):
        logits = torch.cat([half.logit_scale * image @ text(caption).T for caption in pair], dim=1)
        correct.append(int(logits.argmax(dim=1)) == 0)
        one, other = (text(caption) @ image.T for caption in pair)
        ties.append(float(one) == float(other))
        strictly.append(float(one) > float(other))
    assert items["correct"].tolist() == correct
    tied = items["score_true"] == items["score_negated"]
    assert 0 < tied.sum() < 50 and items["correct"][tied].all()

    rows = [Choice({"key": key}, [key], [one, other]) for key, one, other in zip(keys, captions, negated, strict=True)]
    place = dict(zip(keys, images, strict=True))
    towers = (lambda wanted: torch.stack([place[key] for key in wanted]), lambda texts: encode_captions(mine, texts))
    sugarcrepe = score_choices(KINDS["sugarcrepe"], rows, *towers)
    assert sugarcrepe["correct"].tolist() == strictly
    assert any(ties) and not sugarcrepe["correct"][ties].any()


def test_fp16_is_refused_where_published_numbers_are_in_fp32(tmp_path, tiny_checkpoint, capsys):
    flags = ("--kind", "mcq", "--benchmark", "b", "--annotations", "a", "--features", "b", "--count", "none")
    with pytest.raises(ValueError, match="2"):
        evaluate(benchmark.main, tmp_path, tiny_checkpoint, *flags, "--precision", "fp16")
    assert "--precision fp16: published numbers of the kind mcq are in fp32" in capsys.readouterr().err


@torch.no_grad()
def test_both_activations_are_scored_by_the_same_weights(tmp_path, tiny_clip, tiny_checkpoint):
    keys, captions, negated = [f"{n:09d}" for n in range(60)], TEXTS[:60], [f"no {text}" for text in TEXTS[:60]]
    triplets = write_triplets(tmp_path / "eval.parquet", keys, captions, negated)
    questions = [TEXTS[number : number + 4] for number in range(60)]
    rows = [(f"{key}.jpg", *texts, 0, "hybrid") for key, texts in zip(keys, questions, strict=True)]
    write_json(tmp_path / "run.json", baseline("tiny"))
    models = {"quickgelu": tiny_clip, "gelu": vary(copy.deepcopy(tiny_clip), "other-activation")}
    images = {name: random_rows(60, seed=len(name)) for name in models}
    pools = [
        write_features(tmp_path / f"{name}.safetensors", model, keys, images[name]) for name, model in models.items()
    ]
    flags = ("--weights", tiny_checkpoint, "--record", tmp_path / "run.json", "--threads", 1)
    flags += ("--triplets", triplets, "--mcq", "a-mcq", write_questions(tmp_path / "mcq.csv", rows), "ccneg-eval", 60)
    flags += ("--features", "ccneg-eval", pools[0], "--other", "ccneg-eval", pools[1])
    assert call(activation.main, *flags, "--output", tmp_path / "activation.tsv") is None
    found = pd.read_csv(tmp_path / "activation.tsv", sep="\t", keep_default_na=False).set_index("benchmark")
    assert (found.model == "tiny").all() and (found.n == 60).all()
    for prefix, name in (("", "quickgelu"), ("other_", "gelu")):
        model, mine, column = models[name], images[name], f"{prefix}value"
        assert activation_of(model) == name and (found[f"{prefix}activation"] == name).all()
        true, false = (torch.stack([read_text(model, text) for text in side]) for side in (captions, negated))
        accuracy = ((mine * true).sum(dim=1) >= (mine * false).sum(dim=1)).float().mean()
        assert found.loc["cc-neg", column] == pytest.approx(100 * float(accuracy), abs=0.01)
        first = (true @ mine.T).argmax(dim=1) == torch.arange(60)
        assert found.loc["cc-neg/retrieval", column] == pytest.approx(100 * float(first.float().mean()), abs=0.01)
        best = [
            int(torch.stack([image @ read_text(model, text) for text in texts]).argmax()) == 0
            for image, texts in zip(mine, questions, strict=True)
        ]
        assert found.loc["a-mcq", column] == pytest.approx(100 * sum(best) / 60, abs=0.01)


def test_retrieval_alone_says_that_a_declaration_is_wrong():
    def numbers(ccneg_value, retrieval):
        rows = [("cc-neg", "accuracy", 9, ccneg_value), ("cc-neg/retrieval", "recall@1", 9, retrieval)]
        return pd.DataFrame(rows, columns=["benchmark", "metric", "n", "value"])

    for retrieval, looks_like in ((60.0, ""), (62.0, ""), (62.1, "gelu"), (40.0, "")):
        found = activation.compare(numbers(50.0, 60.0), numbers(90.0, retrieval), "quickgelu", "gelu")
        assert found.looks_like.tolist() == ["", looks_like]
        assert found.difference.tolist() == pytest.approx([40, retrieval - 60])
