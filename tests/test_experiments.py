"""The sheet of experiments, and hostile configurations: refused before any job, with what is wrong."""

import re

import pytest
from conftest import ROOT
from hostile import LAUGHS
from workflows import configuration, load, merged, snakemake

from pipeline_lib.config.checks import check_experiments, read_experiments

NEG = {"source": "checkpoint", "path": "n.pth", "activation": "gelu", "family": "Neg-CLIP", "backbone": "mini-rn"}
ROW = {"experiment": "a", "family": "CoN-CLIP", "backbone": "mini-rn", "loss": "conclip", "negatives": "ccneg"}
ROW |= {"seeds": [0, 1], "benchmarks": None, "epochs": None, "lr": None, "batch_size": None}
SHEET = ["experiment\tfamily\tbackbone\tloss\tnegatives\tseeds\tbenchmarks", "a\tCoN-CLIP\tmini-rn\tl1\tccneg\t0\tall"]


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


def with_column(name, *cells):
    """A sheet with a further column, a row per cell."""
    row = SHEET[1].removeprefix("a")
    return [f"{SHEET[0]}\t{name}", *(f"{letter}{row}\t{cell}" for letter, cell in zip("abcdef", cells, strict=False))]


def test_a_row_may_have_epochs_a_learning_rate_and_a_batch_size_of_its_own(tmp_path):
    config = configuration()
    config["finetune"]["experiments"] = str(tmp_path / "sheet.tsv")
    config["evaluate"]["subtract"]["models"] = []

    def read(lines):
        (tmp_path / "sheet.tsv").write_text("\n".join(lines) + "\n")
        return [(row["epochs"], row["lr"], row["batch_size"]) for row in read_experiments(config)]

    assert read(SHEET) == [(None, None, None)]
    assert read(with_column("lr", "", "1e-6", "2.5e-3", "1")) == [(None, x, None) for x in (None, 1e-6, 2.5e-3, 1)]
    lines = with_column("epochs\tbatch_size", "13\t200", "\t64")
    assert read(lines) == [(13, None, 200), (None, None, 64)]
    # Columns may stand in any order.
    assert read(["\t".join(reversed(line.split("\t"))) for line in lines]) == [(13, None, 200), (None, None, 64)]


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("epochs", "0", "epochs: expected a whole number at least 1 and at most 1,000,000,000, found 0"),
        ("epochs", "2.5", "epochs: expected a whole number at least 1 and at most 1,000,000,000, found 2.5"),
        ("epochs", "five", "epochs: expected a whole number at least 1 and at most 1,000,000,000, found 'five'"),
        ("epochs", " ", "epochs: expected a whole number at least 1 and at most 1,000,000,000, found ' '"),
        ("batch_size", "-1", "batch_size: expected a whole number at least 1 and at most 1,000,000,000, found -1"),
        ("lr", "-1e-6", "lr: expected a number more than 0 and at most 1,000, found -1e-06"),
        ("lr", "nan", "lr: expected a number more than 0 and at most 1,000, found nan"),
        ("lr", "5 epochs", "lr: expected a number more than 0 and at most 1,000, found '5 epochs'"),
    ],
)
def test_an_illegal_number_is_named_with_its_line_and_column(refused, column, cell, message):
    assert refused(with_column(column, "", cell)).endswith(f"sheet.tsv, line 3, {message}")


@pytest.mark.parametrize(("sheet", "names"), [("experiments.tsv", ()), ("paper-experiments.tsv", ("paper.yaml",))])
def test_every_cell_and_column_is_checked(refused, sheet, names, monkeypatch):
    monkeypatch.chdir(ROOT)
    lines = (ROOT / "config" / sheet).read_text().splitlines()
    header = lines[0].split("\t")
    for place, column in enumerate(header):
        typo = [*header[:place], column[:-1], *header[place + 1 :]]
        said = refused(["\t".join(typo), *lines[1:]], names)
        assert f"unknown: '{column[:-1]}'; did you mean '{column}'?" in said and "expected the columns" in said
        if column not in SHEET[0].split("\t"):
            continue
        without = ["\t".join(cells[:place] + cells[place + 1 :]) for cells in (line.split("\t") for line in lines)]
        assert f"expected the columns {', '.join(SHEET[0].split())} and optionally" in refused(without, names)
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
        ({"experiment": "neg"}, "neg: neg is the name of another model; name the experiment differently"),
        ({"experiment": "mini", "seeds": [1]}, "mini: mini-s1 is the name of another model"),
        ({"experiment": "flava", "seeds": [1]}, "flava: flava-s1 is the name of another model"),
        ({"benchmarks": ["ccneg", "valse"]}, "negated-retrieval; found ['valse']"),
        ({"benchmarks": ["ccneg", "ccneg"]}, "a: benchmarks: expected each once, found ccneg, ccneg"),
        ({"batch_size": 9}, "a: batch_size: expected a multiple of finetune/processes, 2, found 9"),
        (
            {"batch_size": 9, "loss": "conclip+"},
            "a: batch_size: loss conclip+ has statements in pairs; expected an even",
        ),
        ({"backbone": "neg"}, "a: backbone: expected a CLIP, mini-rn, mini-slim, mini-s1, found 'neg'"),
    ],
)
def test_rows_that_would_fail_hours_later_are_refused_at_once(row, message):
    config = load("config.yaml")
    config["backbones"]["models"] |= {"mini-s1": {"source": "openai", "released": "RN50"}, "neg": NEG}
    config["finetune"]["processes"] = 2
    config["evaluate"]["transformers"] = {"flava-s1": {"kind": "flava", "path": "data/flava"}}
    check_experiments([ROW], config)
    with pytest.raises(ValueError, match=re.escape(message)):
        check_experiments([{**ROW, **row}], config)


def test_several_seeds_in_the_papers_order_are_refused():
    config = merged({"finetune": {"order": "paper"}}, load("config.yaml"))
    with pytest.raises(ValueError, match="nothing depends on the seed"):
        check_experiments([ROW], config)


#: Ten thousand million values, by aliases.
BOMB = f"{LAUGHS}features: {{pools: {{kinds: {{images: *k}}}}, batch_size: *k}}\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("run: !!python/object/apply:os.system ['touch executed']\n", "could not determine a constructor|not valid J"),
        (BOMB, r"features/batch_size: expected a whole number .*, found \[\[\["),
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
