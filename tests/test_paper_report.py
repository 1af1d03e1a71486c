"""The report page: what stands in it, and what a browser makes of it."""

import base64
import json
import os
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import papers
import pytest
from conftest import call, flags_of

from pipeline_lib.jobs.files import sha256
from pipeline_lib.paper.outputs import FIGURES, TABLES
from pipeline_lib.paper.report.__main__ import main, render
from pipeline_lib.paper.report.examples import GROUPS, choose
from pipeline_lib.paper.report.provenance import duration, read_times
from pipeline_lib.paper.report.sections import SECTIONS, beside_the_paper, cell
from pipeline_lib.paper.tables.layout import layout
from pipeline_lib.paper.tables.schema import read_tables

CONFIG = {  # the parts of a configuration that name files from outside, and a name to escape
    "run": "test",
    "fetch": {"captions": "data/<script>alert(2)</script>.tsv"},
    "shards": {"released": None},
    "backbones": {"models": {}, "pretrain": {"images": "<run>/pretrain.tar"}},
    "distractors": {"released": None},
    "finetune": {"crepe_captions": "<run>/crepe"},
    "evaluate": {"zeroshot": {"datasets": {}}, "benchmarks": {}, "transformers": {}},
    "features": {"pools": {}},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory, made_up_run) -> dict:
    """The flags of the report command on made-up results, with which it was made."""
    folder, tables = tmp_path_factory.mktemp("made"), made_up_run / "tables.parquet"
    metrics = sorted(map(str, made_up_run.glob("evaluate/*/*.json")))
    histories = papers.write_histories(folder)
    papers.make_figures(folder, tables, metrics, histories)
    runs, weights = ([path.with_name(name) for path in histories] for name in ("run.json", "model.pt"))
    for run, file in zip(runs, weights, strict=True):
        content = {"seed": 0, "recipe": {"lr": 1e-4, "note": "<script>alert(1)</script>"}, "backbones": ["a", "b"]}
        run.write_text(json.dumps(content))
        file.write_bytes(file.parent.name.encode())
    flags = {
        **{"tables": tables, "figures": folder / "figures"},
        **{"fetch": folder / "summary.json", **papers.scores_of(metrics), **papers.write_ccneg(folder)},
        **{"runs": runs, "weights": weights, "benchmarks": papers.write_times(folder / "benchmarks")},
        **{"config": json.dumps(CONFIG), "seed": 3, "examples": 4, "output": folder / "report.html"},
    }
    done = papers.command("report", *flags_of(**flags))
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return flags


class Page(HTMLParser):
    """Collect tags, links and text of a page, and see that it is balanced."""

    def __init__(self, text: str):
        super().__init__()
        self.open, self.tags, self.links, self.text = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [found for name, found in attrs if name in ("src", "href")]
        self.open += [tag] if tag not in ("meta", "img") else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data.strip())


def test_the_page_has_everything_and_reaches_for_nothing(made):
    tables, _ = read_tables(made["tables"])
    text = made["output"].read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == [] and page.tags.count("script") == 1
    assert all(link.startswith(("#", "data:")) for link in page.links), "the page reaches for the network"
    assert "<script>alert" not in text and "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    for name in TABLES:
        arranged = layout(tables, name)
        for index, pattern, cells in arranged.rows():
            assert set(index) <= set(page.text)
            for value in (one.value for one in cells if pd.notna(one.value)):
                assert pattern.format(value).replace("-", "−") in page.text
    figures = [link for link in page.links if link.startswith("data:image/svg+xml;base64,")]
    assert len(figures) == len(FIGURES)
    assert all(b"<svg" in base64.b64decode(link.partition(",")[2]) for link in figures)
    for expected in (
        ("http 404", "60", "6.00", "pointless", "may help"),
        ("480", "360", "no image", "no-pair", "4.17", "unfaithful", "0.21"),  # 20 and 1 of 480
        ("finetune", "2 min 00 s", "1 min 40 s", "901"),
        ("finetune/conclip-vit-s0", "recipe.lr", "0.0001", "torch", "a very very small dog on a sofa"),
        map(sha256, made["weights"]),
    ):
        assert set(expected) <= set(page.text)
    assert "926 of 1,000 rows have an image (92.6%)." in text and "cc3m.tsv, 12,345 bytes, sha256 abab" in text
    assert "run: test" in "\n".join(page.text)


def test_every_figure_has_one_place():
    assert set(SECTIONS) == {"headline", "learned", *TABLES, "data", "fetch"}
    assert sorted(figure for figures in SECTIONS.values() for figure in figures) == sorted(FIGURES)


def test_a_run_that_took_the_released_data_has_no_section_on_links(made, tmp_path):
    page, released = tmp_path / "report.html", papers.write_ccneg(tmp_path, released=True)
    assert call(main, **{**made, **released, "fetch": [], "runs": [], "weights": [], "output": page}) is None
    assert 'id="fetch"' in made["output"].read_text() and 'id="fetch"' not in page.read_text()
    assert "unfaithful" in page.read_text()


def test_what_is_missing_or_broken_is_named(made, tmp_path):
    broken = tmp_path / "run.json"
    broken.write_text("[]")
    items = tmp_path / "conclip-rn-s0" / "ccneg.parquet"
    items.parent.mkdir()
    papers.ccneg_of("conclip-rn-s0").head(100).to_parquet(items)
    scores = [items if items.parent.name in str(path) else path for path in made["scores"]]
    times = tmp_path / "times"
    times.mkdir()
    (times / "tables.tsv").write_text("s\tcpu_time\n1\t2\n")
    few = tmp_path / "eval.parquet"
    pd.read_parquet(made["eval"]).head(3).to_parquet(few)
    for change, message in (
        ({"figures": tmp_path}, "intro.svg: no such file; rule paper_figures makes it"),
        ({"runs": [broken]}, "run.json: expected a JSON object"),
        ({"fetch": broken}, "run.json: expected a summary with captions"),
        ({"scores": scores}, "expected the scores of two models on the same items, found 120 and 100 with 20"),
        ({"scores": made["scores"][:2]}, "found those of blind-rule, blind-words alone"),
        ({"eval": few}, "expected the item"),
        ({"benchmarks": times}, "tables.tsv: expected one row with finite numbers s, cpu_time, max_rss"),
    ):
        assert message in call(main, **{**made, **change, "output": tmp_path / "report.html"})
    assert not (tmp_path / "report.html").exists()


def test_groups_of_examples_are_what_they_say():
    rng = np.random.default_rng(0)
    index = pd.Index([f"{number:03}" for number in range(200)], name="key")
    frames = [pd.DataFrame(rng.random((200, 2)), index, ["score_true", "score_negated"]) for _ in range(2)]
    clip, tuned = (frame.assign(correct=frame.score_true >= frame.score_negated) for frame in frames)
    chosen = choose(clip, tuned, 0, 5)
    assert list(chosen) == list(GROUPS)
    assert sum(chosen[name][0] for name in ("wins", "losses", "both wrong", "both right")) == 200
    for name, before, after in (("wins", 0, 1), ("losses", 1, 0), ("both wrong", 0, 0), ("both right", 1, 1)):
        size, keys = chosen[name]
        assert size == sum((clip.correct == before) & (tuned.correct == after)) and len(set(keys)) == 5
        assert (clip.correct[keys] == before).all() and (tuned.correct[keys] == after).all()
    margins = [frame.score_true - frame.score_negated for frame in (clip, tuned)]
    assert chosen["most changed"] == (200, (margins[1] - margins[0]).abs().nlargest(5).index.tolist())
    assert choose(clip, tuned, 0, 5) == chosen and choose(clip, tuned, 1, 5)["random"] != chosen["random"]
    assert len(choose(clip, clip, 0, 5)["wins"][1]) == 0


def test_times_are_added_up_by_rule(made):
    times = read_times(made["benchmarks"])
    assert times.values.tolist() == [["finetune", 2, 120, 100, 60, 900.6], ["tables", 1, 4.5, 4.5, 2.25, 300]]
    said = {0.43: "0.4 s", 9.96: "10 s", 59.7: "1 min 00 s", 185: "3 min 05 s", 8040: "2 h 14 min"}
    assert {seconds: duration(seconds) for seconds in said} == said


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no Chromium here: install the package chromium, or name its program in CHROMIUM")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=path, args=["--no-sandbox"])  # root has no sandbox
        yield started
        started.close()


@pytest.mark.parametrize("width", [1280, 400])
def test_a_browser_shows_the_page_without_error_or_request(made, browser, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    address = made["output"].as_uri()
    page.goto(address)
    page.evaluate("document.querySelectorAll('details').forEach(found => found.open = true)")
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [address]
    pictures = page.evaluate("Array.from(document.images, image => image.complete && image.naturalWidth)")
    assert len(pictures) > len(FIGURES) + 20 and all(pictures)
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page is wider than the window"
    assert len(page.screenshot()) > 10_000
    page.close()


@pytest.mark.parametrize(
    ("table", "number", "texts"), [("fetch", 3, False), ("ccneg", 2, False), ("ccneg", 1, True), ("times", 2, False)]
)
def test_headings_sort_their_table(made, browser, table, number, texts):
    page = browser.new_page()
    page.goto(made["output"].as_uri())

    def column() -> list:
        values = page.eval_on_selector_all(
            f"#table-{table} tbody tr",
            f"rows => rows.map(row => row.cells[{number}]).map(cell => cell.dataset.value ?? cell.textContent)",
        )
        return [value.strip().lower() if texts else float(value) for value in values]

    page_order, heading = column(), page.locator(f"#table-{table} thead th").nth(number)
    for direction in ("ascending", "descending") if texts else ("descending", "ascending"):
        heading.locator("button").click()
        assert heading.get_attribute("aria-sort") == direction
        assert column() == sorted(page_order, reverse=direction == "descending")
    heading.locator("button").click()
    assert column() == page_order and heading.get_attribute("aria-sort") is None
    page.close()


def test_what_a_page_would_load_from_elsewhere_does_not_load(made, browser, tmp_path):
    """The content security policy holds: a script and an image that somebody puts into the page do nothing."""
    text = made["output"].read_text(encoding="utf-8")
    hostile = '<img src="http://127.0.0.1:9/x.png"><script>document.title = "taken"</script></main>'
    path = tmp_path / "report.html"
    path.write_text(text.replace("</main>", hostile), encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    assert page.title() != "taken" and re.search("run test", page.title())
    page.close()


def test_numbers_beside_published_ones_show_both_and_the_verdict():
    shared = {"model": "vit-b32", "backbone": "vit-b32", "prompt": None, "metric": "accuracy", "value": 65.5}
    shared |= {"low": 64.0, "high": 67.0, "published_provenance": "paper"}
    rows = [
        {"dataset": "cc-neg", "published": 65.8, "difference": -0.3, "verdict": "reproduced"},
        {"dataset": "sugarcrepe/add", "published": 72.1, "difference": -6.6, "verdict": "not reproduced"},
        {"dataset": "mean", "verdict": "not comparable", "reason": "other datasets"},
    ]
    tables = pd.DataFrame([shared | row for row in rows])
    section = beside_the_paper(tables.astype({"prompt": object, "reason": object}))
    counted, published = ([[cell(value).text for value in row] for row in table.rows] for table in section.tables)
    assert counted == [
        ["reproduced", "", "1"], ["not reproduced", "", "1"],
        ["not comparable", "the paper's mean is over its own eight datasets", "1"],
    ]  # fmt: skip
    assert published == [
        ["vit-b32", "vit-b32", "cc-neg", "", "accuracy", "65.5", "65.8", "paper", "−0.3", "reproduced"],
        ["vit-b32", "vit-b32", "sugarcrepe/add", "", "accuracy", "65.5", "72.1", "paper", "−6.6", "not reproduced"],
    ]
    assert [row[5].interval for row in section.tables[1].rows] == ["64.0 to 67.0"] * 2
    page = render(run="test", models=1, rows=3, sections=[section])
    assert '<span class="yes">reproduced ✓</span>' in page and '<span class="no">not reproduced ✗</span>' in page
