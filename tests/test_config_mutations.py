"""Every key of every configuration, mistaken in every way: an error before any job: key, value and what is legal."""

import copy
from pathlib import Path

import pytest
from conftest import ROOT
from workflows import CONFIG_SCHEMA, SHEET_SCHEMA, load, merged, snakemake

from pipeline_lib.config.checks import check_config, read_experiments
from pipeline_lib.finetune.terms import LOSSES

BASE = load("config.yaml")
PAPER = merged(load("paper.yaml"), BASE)
CONFIGS = {
    "config.yaml": (BASE, BASE),
    "paper.yaml": (load("paper.yaml"), PAPER),
    "released-models.yaml": (load("released-models.yaml"), merged(load("released-models.yaml"), PAPER)),
    "released-ccneg.yaml": (load("released-ccneg.yaml"), merged(load("released-ccneg.yaml"), PAPER)),
}
# Keys that may be left out where they stand: a pool's and a model's optional ones, shares of bad answers, which are 0
# then, and what a prompt or a published count need not have.
OPTIONAL = ("reader", "parts", "count", "benchmarks", "templates", "prompts", "photo", "ensemble", "image_tower")
NULLABLE = {
    "miniature", "fetch/rows", "fetch/image_size", "fetch/requests_per_second_per_host", "shards/released",
    "captions/chat/api_key_variable", "distractors/released",
}  # fmt: skip
SECRET = ("captions/chat/url", "captions/chat/api_key_variable")


def keys(tree, path=()):
    """Every key of a tree, as the path to it."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        if isinstance(tree, dict):
            yield (*path, key)
        yield from keys(value, (*path, key))


def at(tree, path):
    for key in path:
        tree = tree[key]
    return tree


def places(config, path):
    """How messages name a key: entries of lists by their number, or by their name where it is known."""
    names, tree = [], config
    for key in path:
        tree = tree[key]
        names.append(tree.get("name", str(key)) if isinstance(key, int) and isinstance(tree, dict) else str(key))
    return "/".join(map(str, path)), "/".join(names)


def mistake(config, path, change):
    """The message for a configuration in which `change` was done to the parent of a key; None if it is legal."""
    config = copy.deepcopy(config)
    change(at(config, path[:-1]))
    try:
        check_config(config, CONFIG_SCHEMA)
    except ValueError as error:
        return str(error)


CASES = [
    pytest.param(whole, path, id=f"{name}:{'/'.join(map(str, path))}")
    for name, (overlay, whole) in CONFIGS.items()
    for path in keys(overlay)
]


def wrong_values(key, value):
    """What a value is replaced with: other types, and numbers and texts out of range."""
    wrong = [{"x": 1} if not isinstance(value, dict) else 17, float("nan"), float("inf"), -1, 1e300, 10**30]
    wrong += ["" if isinstance(value, str) else "many", "a\nb", [{"x": [1]}] if not isinstance(value, list) else 17]
    if not isinstance(value, bool):
        wrong.append(True)
    if isinstance(value, int) and not isinstance(value, bool) and key != "requests_per_second_per_host":
        wrong.append(value + 0.5)
    return wrong


@pytest.mark.parametrize(("config", "path"), CASES)
def test_a_wrong_value_is_named_with_its_key_and_what_is_legal(config, path):
    (place, named), key, value = places(config, path), path[-1], at(config, path)
    for wrong in wrong_values(key, value):
        message = mistake(config, path, lambda parent, wrong=wrong: parent.update({key: wrong}))
        assert message is not None, f"{place}: {wrong!r} passes"
        if key == "vision_layers" and "vision_patch_size: expected" in message:
            continue  # the other of two keys that do not go together
        assert place in message or named in message, message
        line = next(line for line in message.splitlines() if place in line or named in line)
        assert "expected" in line or "Allowed:" in line, line
        if place in SECRET:
            assert str(wrong) not in line.partition("found")[2] or wrong == "", line
        elif not isinstance(wrong, dict | list):
            assert "found" in line and (repr(wrong) in line or str(wrong).lower() in line), line


@pytest.mark.parametrize(("config", "path"), CASES)
def test_null_where_it_is_not_legal_is_named(config, path):
    place, key = "/".join(map(str, path)), path[-1]
    message = mistake(config, path, lambda parent: parent.update({key: None}))
    if place in NULLABLE or key in ("count", "vision_patch_size"):
        return  # which is said of the key in config.yaml; that it does not fit another one is the other's message
    assert message is not None and place in message and ("found null" in message or place in SECRET), message


@pytest.mark.parametrize(("config", "path"), CASES)
def test_a_misspelt_key_is_named_with_the_nearest_one(config, path):
    key = path[-1]
    siblings = at(config, path[:-1])
    for typo in {key[:-1], key + key[-1], key[:1] + "z" + key[1:], key[1:2] + key[:1] + key[2:], key.replace("_", "-")}:
        if typo in siblings or not typo:
            continue
        message = mistake(config, path, lambda parent, typo=typo: parent.update({typo: parent.pop(key)}))
        assert message is not None, f"{typo} passes"
        assert f"unknown key {typo!r}; did you mean {key!r}? Allowed: " in message, message
        assert any(parent in message for parent in places(config, path[:-1]))


@pytest.mark.parametrize(("config", "path"), CASES)
def test_a_missing_key_is_named_with_what_it_may_be(config, path):
    """In an overlay a key may be left out: then it has the value of the configuration below. Here it lacks in both."""
    place, key = "/".join(map(str, path[:-1])) or "the top level", path[-1]
    message = mistake(config, path, lambda parent: parent.pop(key))
    if message is None:
        own_prompt = path[-2] == "prompts" and "datasets" in path  # which a set may have beside the ones of all sets
        assert key in OPTIONAL or own_prompt or path[:2] in (("miniature", "answers"), ("fetch", "connect_to"))
    elif f"{place}: missing {key}" in message:
        assert f"{place}: missing {key}; expected " in message
    else:  # of which only some kinds of entries have need
        assert (key in message or key in OPTIONAL) and path[0] in message, message


def test_an_override_that_is_left_out_falls_back_to_the_default():
    overlay = load("paper.yaml")
    del overlay["fetch"]["timeout_s"], overlay["fetch"]["deadline_s"]
    config = merged(overlay, BASE)
    check_config(config, CONFIG_SCHEMA)
    assert config["fetch"]["timeout_s"] == BASE["fetch"]["timeout_s"]


@pytest.mark.parametrize(
    ("section", "changes", "message"),
    [
        ("fetch", {"deadline_s": 1.0}, "fetch/deadline_s: expected at least timeout_s, 1.5, .* found 1.0"),
        ("shards", {"eval_share": 1}, "shards/eval_share: expected a share between 0 and 1, .*found 1"),
        (
            "backbones",
            {"pretrain": {**BASE["backbones"]["pretrain"], "warmup_steps": 600}},
            "less than steps, 600, found 600",
        ),
        (
            "captions",
            {"word_weights": {False: 1.0, "not": 1.0, "without": 1.0}},
            "unknown key false .*put the word in quotes",
        ),
        ("run", "tables", "run: expected .*not one of tables, figures, found 'tables'"),
        ("run", "a\n", r"run: expected a text that matches .*found 'a\\n'"),
    ],
)
def test_what_contradicts_itself_or_yaml_misreads_is_explained(section, changes, message):
    changes = {**BASE[section], **changes} if isinstance(changes, dict) else changes
    with pytest.raises(ValueError, match=message):
        check_config({**BASE, section: changes}, CONFIG_SCHEMA)


@pytest.mark.parametrize("sheet", ["experiments.tsv", "paper-experiments.tsv"])
def test_every_cell_and_column_of_a_sheet_is_checked(tmp_path, sheet):
    backbones = ["mini-rn", "mini-slim", "vit-b32", "vit-b16", "vit-l14"]
    lines = (ROOT / "config" / sheet).read_text().splitlines()
    header = lines[0].split("\t")

    def message(rows):
        path = tmp_path / "sheet.tsv"
        path.write_text("\n".join(rows) + "\n")
        with pytest.raises(ValueError, match=r"sheet\.tsv") as error:
            read_experiments(path, SHEET_SCHEMA, backbones, list(LOSSES))
        return str(error.value)

    for place, column in enumerate(header):
        typo = [*header[:place], column[:-1], *header[place + 1 :]]
        said = message(["\t".join(typo), *lines[1:]])
        assert f"'{column[:-1]}' is none; did you mean '{column}'?" in said and "expected the columns" in said
        without = ["\t".join(cells[:place] + cells[place + 1 :]) for cells in (line.split("\t") for line in lines)]
        assert f"expected the columns {', '.join(header)}" in message(without)
        for number in range(1, len(lines)):
            for wrong in ("", "Not This!", "a\x01b"):
                if column == "family" and wrong == "Not This!":
                    continue  # any words name a family
                cells = lines[number].split("\t")
                cells[place] = wrong
                said = message([*lines[:number], "\t".join(cells), *lines[number + 1 :]])
                assert f"line {number + 1}, {column}: expected " in said and f"found {wrong!r}" in said, said
        for cells in (lines[1] + "\tmore", lines[1].rpartition("\t")[0]):
            assert f"line 2: expected {len(header)} cells as in the header, found" in message([lines[0], cells])


TAGS = "run: !!python/object/apply:os.system ['touch executed']\n"


def laughs() -> str:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for old, new in zip("abcdefghij", "bcdefghijk", strict=True):
        lines.append(f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]")
    return "\n".join([*lines, "features: {pools: *k, batch_size: *k}"]) + "\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TAGS, "not valid JSON or YAML|could not determine a constructor"),
        (laughs(), "expected at most 100,000 values, found more"),
        ("fetch: {timeout: 3}\n", "fetch: unknown key 'timeout'; did you mean 'timeout_s'"),
        ("captions: {chat: {url: 'http://me:hunter2@h/v1'}}\n", "captions/chat/url: expected a text that matches"),
    ],
    ids=["tags", "laughs", "misspelt", "password"],
)
def test_the_engine_refuses_a_hostile_configuration_before_any_job(empty_copy, content, message):
    import re

    (empty_copy / "mine.yaml").write_text(content)
    done = snakemake("--dry-run", "--cores", "1", "--configfile", "mine.yaml", folder=empty_copy)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert re.search(message, said), said[-3000:]
    assert len(said) < 50_000
    assert "hunter2" not in said
    assert not (empty_copy / "executed").exists()
    assert not Path(empty_copy / "results").exists()
    assert not any(
        "hunter2" in path.read_text(errors="replace")
        for path in (empty_copy / ".snakemake").rglob("*")
        if path.is_file()
    )
