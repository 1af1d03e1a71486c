"""The headline table, printed and written into a README beside the paper's numbers."""

from statistics import fmean

import pytest
from conftest import call
from made_up_items import DATASETS
from papers import MODELS, PUBLISHED, make_tables, value, write_metrics

from pipeline_lib.jobs.files import write_json
from pipeline_lib.paper.headline import BESIDE, main

README = "# Title\n<!-- headline -->\nold\n<!-- /headline -->\ntext\n<!-- beside -->\n<!-- /beside -->\nend\n"


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """The tidy table of a run that has the miniature's models."""
    folder = tmp_path_factory.mktemp("headline")
    variants = [("l1-rn-s0", "l1", "ccneg"), ("l2-rn-s0", "l2", "ccneg"), ("crepe-rn-s0", "l1", "crepe")]
    models = [(name, "CoN-CLIP", "mini-rn", loss, negatives, 0) for name, loss, negatives in variants]
    assert make_tables(folder, write_metrics(folder, [MODELS[1], MODELS[4], *models])) is None
    return folder / "tables.parquet"


def test_the_readme_gets_table_numbers_of_the_paper_and_figure(tables, tmp_path, capsys):
    readme, record, figure, copy = (tmp_path / name for name in ("README.md", "run.json", "intro.svg", "copy.svg"))
    readme.write_text(README)
    write_json(record, {"device": "cpu", "commit": "0123456789abcdef"})
    figure.write_text("<svg/>")
    flags = ["--tables", tables, "--readme", readme, "--record", record, "--figure", figure, "--copy", copy]
    assert call(main, *flags) == 2 and "give --published too" in capsys.readouterr().err
    assert call(main, *flags, "--published", PUBLISHED) is None
    assert call(main, "--tables", tables) is None
    text, (printed, _) = readme.read_text(), capsys.readouterr()
    assert printed.split("\n\n")[1] in text and "commit 012345678." in text and "\nold\n" not in text
    assert text.startswith("# Title\n<!-- headline -->\n") and text.endswith("<!-- /beside -->\nend\n")
    assert copy.read_text() == "<svg/>"
    rows = [line.strip("| ").split(" | ") for line in text.splitlines()]
    beside = {row[0]: row[1:] for row in rows if row[0] in BESIDE}
    papers = ["65.75 (replication)", "99.70", "99.76", "56.07", "69.79", "+2.95", "", "89.28", "42.98"]
    assert [row[0] for row in beside.values()] == papers
    clip, conclip = (
        {prompt: fmean(value(model, name, prompt, "top1") for name in DATASETS) for prompt in ("bare", "negated")}
        for model in ("mini-rn", "conclip-rn-s0")
    )
    gain = "mean zero-shot top-1 with the bare prompt, CoN-CLIP − CLIP"
    assert beside[gain][1] == f"{conclip['bare'] - clip['bare']:+.1f}"
    assert ["89.28", f"{clip['negated']:.1f}"] in beside.values()
    write_json(record, {"device": "cpu", "commit": None})
    assert call(main, *flags, "--published", PUBLISHED) is None and "cpu, commit unknown." in readme.read_text()
    readme.write_text(README.replace("<!-- beside -->", ""))
    assert "one block between <!-- beside -->" in call(main, *flags, "--published", PUBLISHED)


def test_numbers_of_another_run_do_not_stand_beside_the_papers(tmp_path):
    assert make_tables(tmp_path, write_metrics(tmp_path, MODELS[:1])) is None
    (tmp_path / "README.md").write_text(README)
    write_json(tmp_path / "run.json", {"device": "cpu", "commit": "0123456789abcdef"})
    flags = ["--readme", tmp_path / "README.md", "--record", tmp_path / "run.json", "--figure", "x", "--copy", "y"]
    said = call(main, "--tables", tmp_path / "tables.parquet", *flags, "--published", PUBLISHED)
    assert "they must be of the run miniature" in said
