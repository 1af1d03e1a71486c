"""The configuration: what is wrong with it is said before any job, with the key, what was found and what is legal."""

import copy
import subprocess
import sys

import pytest
from conftest import ROOT
from workflows import configuration, load, merged

from pipeline_lib.config.checks import NAMED, check_config, read_experiments
from pipeline_lib.evaluate.prompts import NEEDED, PROMPTS, prompt_flags

OVERLAYS = {
    "config.yaml": (),
    "paper.yaml": ("paper.yaml",),
    "released-models.yaml": ("paper.yaml", "released-models.yaml"),
    "released-ccneg.yaml": ("paper.yaml", "released-ccneg.yaml"),
}
CHECKPOINT = {"source": "checkpoint", "path": "neg.pth", "activation": "quickgelu"}
NEG = {**CHECKPOINT, "family": "Neg-CLIP", "backbone": "mini-rn"}
COUNT = "a whole number at least 1 and at most 1,000,000,000"


def said(changes):
    """What is said about config.yaml with changes."""
    with pytest.raises(ValueError, match="the configuration has mistakes:") as error:
        check_config(merged(changes, load("config.yaml")))
    return str(error.value).partition(":\n")[2]


def at(place, entry):
    """A configuration in which an entry is at a place."""
    for key in reversed(place.split("/")):
        entry = {key: entry}
    return entry


# ------------------------------------------------------------------------------------------------------- one mistake
@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("finetun", {}, "the top level: unknown key 'finetun'; did you mean 'finetune'? Allowed: backbones, captions"),
        ("evaluate/zeroshot/prompts/foto", ["a {}"], "prompts: unknown key 'foto'; did you mean 'photo'? Allowed: "),
        ("finetune/lr", "1e-6", "finetune/lr: expected a number more than 0 and at most 1,000, found '1e-6' (YAML re"),
        ("finetune/lr", "0,001", "at most 1,000, found '0,001' (write a decimal point: 0.5)"),
        ("evaluate/zeroshot/datasets/mine", {"classes": "a.txt"}, "mine: expected a pool of this name in features"),
        ("finetune/epochs", 0, f"finetune/epochs: expected {COUNT}, found 0"),
        ("fetch/rows", 1.5, f"fetch/rows: expected {COUNT} or null, found 1.5"),
        ("finetune/order", "papr", "finetune/order: expected one of shuffled, paper, found 'papr'; did you mean 'pap"),
        ("features/precision", "fp8", "features/precision: expected one of fp32, bf16, fp16, found 'fp8'"),
        ("run", "tables", "run: expected a name other than tables, figures, found 'tables'"),
        ("run", "My Run", "run: expected a name of lower-case letters, digits and -, found 'My Run'"),
        ("run", "a\n", r"run: expected a name of lower-case letters, digits and -, found 'a\n'"),
        ("captions/word_weights", {False: 1.0}, "captions/word_weights: unknown key false (YAML reads no, yes, on and"),
        ("shards/eval_share", 1, "shards/eval_share: expected a number more than 0 and less than 1, found 1"),
        ("backbones", 7, "backbones: expected a dictionary of models, pretrain, found 7"),
        ("fetch/deadline_s", 1.0, "fetch/deadline_s: expected at least timeout_s, 1.5, "),
        ("backbones/pretrain/warmup_steps", 600, "warmup_steps: expected less than steps, 600, found 600"),
        ("miniature/answers/dead", 0.999, "miniature/answers: expected shares with a sum below 1"),
        ("distractors/backbone", "vit", "distractors/backbone: expected one of mini-rn, mini-slim, found 'vit'"),
        ("miniature", None, "features/pools/kinds: expected files of your own, since the run has no miniature, or nu"),
        ("evaluate/zeroshot/prompts/plain", ["a photo"], "zeroshot/prompts/plain: expected a list of at least 1 entr"),
        ("evaluate/zeroshot/prompts/photo", "set", "each a text with one {} or one of dataset, found 'set'"),
        ("evaluate/zeroshot/prompts/ensemble", "dataset", "kinds: the prompt 'ensemble' takes the dataset's own templ"),
        ("evaluate/zeroshot/datasets/colours/prompts/photo", ["a {}"], "colours/prompts: 'photo' is no prompt of eval"),
        # pools
        ("features/pools", {}, "features/pools"),
        ("features/pools/a", {"images": []}, "features/pools/a/images: expected a path without braces and control "),
        ("features/pools/a", {"images": ["x", "x"]}, "features/pools/a/images: expected a list without repetition"),
        ("features/pools/ccneg-eval", {"images": "a.tar"}, "a key: expected a name other than ccneg-train, ccneg-eval"),
        ("features/pools/My", {"images": "a.tar"}, "features/pools, a key: expected a name of lower-case letters"),
        ("features/pools/a", {"images": "x", "reader": "coko"}, "a/reader: expected one of caltech-101, cifar-10, cif"),
        ("features/pools/a", {"images": ["x", "y"], "reader": "coco"}, "a/images: the reader coco does not take 2 pat"),
        ("features/pools/a", {"images": ["x.tar", "y.tar"], "parts": 2}, "a/parts: expected none: several tars are en"),
        # benchmarks
        ("evaluate/benchmarks/zeroshot", {}, "evaluate/benchmarks, a key: expected a name other than ccneg, zeroshot"),
        ("evaluate/benchmarks/a/kind", "mqc", "expected one of mcq, retrieval, valse, negrefcocog, sugarcrepe, sugar"),
        ("evaluate/benchmarks/a/kind", "sugarcrepe", "the name sugarcrepe and the kind sugarcrepe"),
        ("evaluate/benchmarks/a/pool", "kitchens", "evaluate/benchmarks/a/pool: expected one of features/pools, dis"),
        ("evaluate/benchmarks/a/count", {"one": 1}, "a/count: expected null or a number, found {'one': 1}"),
        ("evaluate/benchmarks/a/count", 0, f"a/count: expected {COUNT} or a dictionary or null, found 0"),
        ("evaluate/benchmarks/sugarcrepe/count", 7, "count: expected null or a number for each of replace_obj, "),
        # models
        ("backbones/models/x", {}, "models/x: missing source; expected one of checkpoint, openai, pretrain, found"),
        ("backbones/models/x", {"source": "openai"}, "models/x: missing released; expected one of RN50, RN101, "),
        ("backbones/models/x", {"source": "pretrain"}, "models/x: missing architecture; expected a dictionary of emb"),
        ("backbones/models/x", {"source": "checkpoint", "path": "a"}, "models/x: missing activation; expected one of"),
        ("backbones/models/x", {**NEG, "released": "RN50"}, "models/x: unknown key 'released'. Allowed: activation, b"),
        ("backbones/models/x", {**NEG, "backbone": "a"}, "x/backbone: expected a CLIP among mini-rn, mini-slim, foun"),
        ("backbones/models/x", {**NEG, "family": "CLIP"}, "models/x/family: expected the name of its method"),
        ("backbones/models/x", {**NEG, "activation": "relu"}, "activation: expected one of quickgelu, gelu, found 'r"),
        ("backbones/models/x", {**NEG, "benchmarks": ["b"]}, "x/benchmarks: expected some of ccneg, zeroshot, sugarc"),
        ("backbones/models/x", {**NEG, "benchmarks": []}, "benchmarks: expected a list of at least 1 entries"),
        ("backbones/models/x", {**CHECKPOINT, "image_tower": "own"}, "x/image_tower: needs the key 'backbone', the C"),
        ("backbones/models/blind-rule", NEG, "a key: expected a name other than blind-rule, blind-words"),
        ("evaluate/transformers/mini-rn", {"kind": "blip", "path": "b"}, "a name that no backbone has, found 'mini"),
        # an architecture that CLIP cannot build
        ("backbones/models/mini-rn/architecture/image_resolution", 80, "expected a multiple of 32, found 80"),
        ("backbones/models/mini-rn/architecture/vision_width", 13, "vision_width: expected an even number, found 13"),
        ("backbones/models/mini-rn/architecture/vision_patch_size", 8, "patch_size: expected null for a ResNet, foun"),
        ("backbones/models/mini-rn/architecture/vision_layers", 3, "expected a number of pixels for a ViT, found null"),
        ("backbones/models/mini-rn/architecture", {"vision_layers": 3, "vision_patch_size": 8}, "a multiple of 64 for"),
    ],
)  # fmt: skip
def test_a_mistake_is_explained(place, value, message):
    changes = at(place, value)
    if "benchmarks/a/" in place:
        entry = {"kind": "mcq", "annotations": "a.csv", "pool": "sugarcrepe", "count": None}
        changes = merged(changes, at("evaluate/benchmarks/a", entry))
    if place == "features/pools":
        changes = at(place, dict.fromkeys(load("config.yaml")["features"]["pools"]))
        message = "features/pools: expected a dictionary of at least 1 entries, found {}"
    assert message in said(changes), said(changes)


def test_a_secret_is_not_repeated():
    for key, wrong in (("url", "http://me:hunter2@host/v1"), ("api_key_variable", "sk-hunter2"), ("url", ["hunter2"])):
        message = said(at(f"captions/chat/{key}", wrong))
        assert f"captions/chat/{key}: expected " in message and "not shown, since it may hold a secret" in message
        assert "hunter2" not in message


# ---------------------------------------------------------------------- every key of every configuration, every mistake
def keys(tree, path=()):
    """Every key of a tree, as the path to it."""
    for key, value in tree.items() if isinstance(tree, dict) else ():
        yield (*path, key)
        yield from keys(value, (*path, key))


def parent_of(tree, path):
    """The dictionary that has a key."""
    for key in path[:-1]:
        tree = tree[key]
    return tree


def mistake(config, path, entries):
    """The message for a configuration in which `entries` stand in the place of a key; None if it is legal."""
    config = copy.deepcopy(config)
    parent = parent_of(config, path)
    del parent[path[-1]]
    parent.update(entries)
    try:
        check_config(config)
    except ValueError as error:
        return str(error)


def is_entry(path):
    """Whether a path leads to an entry that a configuration may remove."""
    return len(path) > 2 and "/".join(path[:-1]) in NAMED


WRONG = [{"x": 1}, 17.5, float("nan"), float("inf"), -1, 1e300, 10**30, "", "a\nb", [{"x": [1]}], True]
# Keys that take some of these, or may be left out where they are.
FREE = {"requests_per_second_per_host": 17.5}
OPTIONAL = ("reader", "parts", "count", "benchmarks", "templates", "prompts", "photo", "ensemble", "image_tower")
OPTIONAL += ("prompt_classes",)
NULLABLE = ("container", "miniature", "rows", "image_size", "requests_per_second_per_host", "released", "count")
NULLABLE += ("api_key_variable",)


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_key_is_checked_for_its_type_its_range_its_presence_and_its_spelling(name):
    config, where = configuration(*OVERLAYS[name]), set(keys(configuration(*OVERLAYS[name]))) & set(keys(load(name)))
    assert len(where) > 10
    for path in sorted(where):
        place, key, parent = "/".join(path), path[-1], "/".join(path[:-1]) or "the top level"
        value = parent_of(config, path)[key]
        legal = [17.5] if isinstance(value, float) or key in FREE else [True] if value is True else []
        kinds = [wrong for wrong in WRONG if not isinstance(wrong, type(value)) or isinstance(value, str | int)]
        for one in [wrong for wrong in kinds if wrong not in legal]:
            message = mistake(config, path, {key: one})
            assert message is not None, f"{place}: {one!r} passes"
            if key == "vision_layers" and "vision_patch_size: expected" in message:
                continue  # the other of two keys that do not go together
            named = (place, parent) if "count" in path else (place,)
            line = next((line for line in message.splitlines() if any(name in line for name in named)), None)
            assert line, (one, message)
            assert "expected" in line or "Allowed:" in line, line
            if place in ("captions/chat/url", "captions/chat/api_key_variable"):
                assert "not shown" in line
            elif not isinstance(one, dict | list):
                assert "found" in line and (repr(one) in line or str(one).lower() in line), line

        message = mistake(config, path, {key: None})
        entry = is_entry(path)
        # In a named entry null removes a key, so it is missing then.
        if not (entry or is_entry(path[:-1]) or "count" in path or key in (*NULLABLE, "vision_patch_size")):
            assert message is not None and place in message and ("found null" in message or "chat" in place), place

        typo = key[:1] + "z" + key[1:]
        message = mistake(config, path, {typo: value})
        named = entry or key == "source" or path[-2:-1] == ("connect_to",)
        named |= "count" in path and f"{parent}: expected " in message and f"did you mean {key!r}?" in message
        assert named or f"{parent}: unknown key {typo!r}; did you mean {key!r}? Allowed: " in message, message

        message = mistake(config, path, {})
        if message is None:
            of_a_prompt = "datasets" in path and {"prompts", "prompt_classes"} & set(path)
            own = entry or "answers" in path or path[-2] == "connect_to" or of_a_prompt
            assert key in OPTIONAL or own, place
        elif f"{parent}: missing {key}" in message:
            assert f"{parent}: missing {key}; expected " in message
        else:  # which other keys need
            assert key in message or path[0] in message, message


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_shipped_configurations_fit(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert read_experiments(configuration(*OVERLAYS[name]))


def test_the_table_of_options_is_in_step():
    command = [sys.executable, "-m", "pipeline_lib.config.reference"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert (ROOT / "config" / "reference.md").read_text() == done.stdout, f"make it anew: {' '.join(command[1:])}"


def test_the_paper_run_has_every_prompt_and_imagenet_its_templates_for_the_bare_one(monkeypatch):
    monkeypatch.chdir(ROOT)
    zeroshot = configuration("paper.yaml")["evaluate"]["zeroshot"]
    files = {name: dataset["templates"] for name, dataset in zeroshot["datasets"].items()}
    flags = {name: templates for name, *templates in prompt_flags(zeroshot, files)}
    assert [name for name in flags if ":" not in name] == list(PROMPTS[:4])
    assert set(zeroshot["prompts"]) == set(PROMPTS) > set(NEEDED)
    assert [flags[name] for name in ("plain", "negated", "bare", "photo")] == [
        ["this is a photo of a {}"], ["this is not a photo of a {}"], ["{}"], ["a photo of a {}."],
    ]  # fmt: skip
    assert flags["imagenet-1k:bare"] == flags["imagenet-1k:ensemble"] == ["@config/templates/imagenet-1k.txt"]
    assert {name for name in flags if ":" in name} == {"imagenet-1k:bare", *(f"{name}:ensemble" for name in files)}


def test_class_names_that_do_not_fit_the_readers_labels_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    config = configuration("paper.yaml")
    caltech = config["evaluate"]["zeroshot"]["datasets"]["caltech-101"]
    (tmp_path / "classes.txt").write_text(f"background\n{(ROOT / caltech['classes']).read_text()}")
    caltech["classes"] = str(tmp_path / "classes.txt")
    message = r"classes\.txt: expected 101 class names, one for each label of caltech-101 as read from .*; found 102"
    with pytest.raises(ValueError, match=message):
        check_config(config)
