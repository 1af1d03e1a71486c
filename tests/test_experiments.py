"""The sheet of experiments, and hostile configurations: refused before any job, with what is wrong."""

import re

import pytest
from conftest import ROOT
from workflows import configuration, load, merged, snakemake

from pipeline_lib.config.checks import check_experiments, read_experiments

NEG = {"source": "checkpoint", "path": "n.pth", "activation": "gelu", "family": "Neg-CLIP", "backbone": "mini-rn"}
ROW = {"experiment": "a", "family": "CoN-CLIP", "backbone": "mini-rn", "loss": "conclip", "negatives": "ccneg"}
ROW |= {"seeds": [0, 1], "benchmarks": None}


@pytest.fixture
def refused(tmp_path):
    """A function that writes a sheet and returns why it is refused."""

    def message(lines, names=()):
        config = configuration(*names)
        config["finetune"]["experiments"] = str(tmp_path / "sheet.tsv")
        (tmp_path / "sheet.tsv").write_text("\n".join(lines) + "\n")
        with pytest.raises(ValueError, match=r"sheet\.tsv") as error:
            read_experiments(config)
        return str(error.value)

    return message


@pytest.mark.parametrize(("sheet", "names"), [("experiments.tsv", ()), ("paper-experiments.tsv", ("paper.yaml",))])
def test_every_cell_and_column_is_checked(refused, sheet, names, monkeypatch):
    monkeypatch.chdir(ROOT)
    lines = (ROOT / "config" / sheet).read_text().splitlines()
    header = lines[0].split("\t")
    for place, column in enumerate(header):
        typo = [*header[:place], column[:-1], *header[place + 1 :]]
        said = refused(["\t".join(typo), *lines[1:]], names)
        assert f"'{column[:-1]}' is none; did you mean '{column}'?" in said and "expected the columns" in said
        without = ["\t".join(cells[:place] + cells[place + 1 :]) for cells in (line.split("\t") for line in lines)]
        assert f"expected the columns {', '.join(header)}" in refused(without, names)
        for wrong in ("", "Not This!", "a\x01b"):
            if column == "family" and wrong == "Not This!":
                continue  # any words name a family
            cells = lines[2].split("\t")
            cells[place] = wrong
            said = refused([*lines[:2], "\t".join(cells)], names)
            assert f"line 3, {column}: expected " in said and f"found {wrong!r}" in said, said
    for line in (lines[1] + "\tmore", lines[1].rpartition("\t")[0]):
        assert f"line 2: expected {len(header)} cells as in the header, found" in refused([lines[0], line], names)
    assert f"line 3: experiment '{lines[1].split()[0]}' is in line 2 already" in refused([*lines[:2], lines[1]], names)
    assert "expected at least one experiment, found none" in refused(lines[:1], names)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"negatives": "crepe"}, "a: loss conclip needs distractors, which negatives crepe does not have"),
        ({"family": "CLIP"}, "a: the family CLIP is for models that are not fine-tuned"),
        ({"seeds": [0, 0]}, "a: expected different seeds, found [0, 0]"),
        ({"experiment": "mini", "seeds": [1]}, "mini: mini-s1 is the name of another model"),
        ({"experiment": "flava", "seeds": [1]}, "flava: flava-s1 is the name of another model"),
        ({"benchmarks": ["ccneg", "valse"]}, "zeroshot, sugarcrepe; found ['valse']"),
        ({"benchmarks": ["ccneg", "ccneg"]}, "a: benchmarks: expected each once, found ccneg, ccneg"),
        ({"backbone": "neg"}, "a: backbone: expected a CLIP, mini-rn, mini-slim, mini-s1, found 'neg'"),
    ],
)
def test_rows_that_would_fail_hours_later_are_refused_at_once(row, message):
    config = load("config.yaml")
    config["backbones"]["models"] |= {"mini-s1": {"source": "openai", "released": "RN50"}, "neg": NEG}
    config["evaluate"]["transformers"] = {"flava-s1": {"kind": "flava", "path": "data/flava"}}
    check_experiments([ROW], config)
    with pytest.raises(ValueError, match=re.escape(message)):
        check_experiments([{**ROW, **row}], config)


def test_several_seeds_in_the_papers_order_are_refused():
    config = merged({"finetune": {"order": "paper"}}, load("config.yaml"))
    with pytest.raises(ValueError, match="nothing depends on the seed"):
        check_experiments([ROW], config)


def laughs() -> str:
    """A configuration with ten thousand million values, by aliases."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for old, new in zip("abcdefghij", "bcdefghijk", strict=True):
        lines.append(f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]")
    return "\n".join([*lines, "features: {pools: {kinds: {images: *k}}, batch_size: *k}"]) + "\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "run: !!python/object/apply:os.system ['touch executed']\n",
            "could not determine a constructor|not valid JSON",
        ),
        (laughs(), r"features/batch_size: expected a whole number .*, found \[\[\["),
        ("captions: {chat: {url: 'http://me:hunter2@h/v1'}}\n", "captions/chat/url: expected an address"),
    ],
    ids=["tags", "laughs", "password"],
)
def test_a_hostile_configuration_is_refused_and_leaves_nothing(empty_copy, content, message):
    (empty_copy / "mine.yaml").write_text(content)
    done = snakemake("--dry-run", "--cores", "1", "--configfile", "mine.yaml", folder=empty_copy)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert re.search(message, said), said[-3000:]
    assert len(said) < 50_000
    assert not (empty_copy / "executed").exists() and not (empty_copy / "results").exists()
    kept = [path.read_text(errors="replace") for path in (empty_copy / ".snakemake").rglob("*") if path.is_file()]
    assert not any("hunter2" in text for text in [said, *kept])
