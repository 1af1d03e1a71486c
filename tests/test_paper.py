"""The paper stage: finished metrics -> tidy table, readable tables, figures, report."""

import base64
import csv
import io
import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from statistics import fmean

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline_lib.paper.layout import headline, layout
from pipeline_lib.paper.metrics import read_metrics
from pipeline_lib.paper.outputs import FIGURE_FILES, FIGURES, TABLE_FILES, TABLES
from pipeline_lib.paper.published import find_published, read_published
from pipeline_lib.paper.report import SECTIONS
from pipeline_lib.paper.schema import COLUMNS, KEY, read_tables
from pipeline_lib.paper.tidy import build_tables

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = ROOT / "config" / "published.tsv"
DATASETS = ("kinds", "colours", "counts")
PARTS = ("replace_obj", "replace_att", "replace_rel", "add_obj", "add_att", "swap_obj", "swap_att")
MODELS = [
    # model, family, backbone, loss, negatives, seed
    ("mini-vit", "CLIP", "mini-vit", None, None, None),
    ("mini-rn", "CLIP", "mini-rn", None, None, None),
    ("conclip-vit-s0", "CoN-CLIP", "mini-vit", "conclip", "ccneg", 0),
    ("conclip-vit-s1", "CoN-CLIP", "mini-vit", "conclip", "ccneg", 1),
    ("conclip-rn-s0", "CoN-CLIP", "mini-rn", "conclip", "ccneg", 0),
    ("l1-vit-s0", "CoN-CLIP", "mini-vit", "l1", "ccneg", 0),
    ("l2-vit-s0", "CoN-CLIP", "mini-vit", "l2", "ccneg", 0),
    ("crepe-vit-s0", "CoN-CLIP", "mini-vit", "l1", "crepe", 0),
]


def value(*words) -> float:
    """Return a percentage that depends on the words alone and repeats for no other cell of the tests."""
    return int.from_bytes(json.dumps(words).encode(), "big") % 9973 / 100


def metrics_of(model: str, benchmark: str) -> list[dict]:
    cells = {
        "ccneg": [("cc-neg", None, "accuracy", 100)]
        + [(f"cc-neg/word={word}", None, "accuracy", 50) for word in ("no", "not")]
        + [(f"cc-neg/pairs={pairs}", None, "accuracy", 10 * pairs) for pairs in (10, 2, 1)],
        "zeroshot": [
            (dataset, prompt, metric, 40 + number)
            for number, dataset in enumerate(DATASETS)
            for prompt in ("plain", "negated")
            for metric in ("top1", "mean_per_class")
        ],
        "sugarcrepe": [(f"sugarcrepe/{part}", None, "accuracy", 20) for part in (*PARTS, "replace", "add", "swap")],
    }[benchmark]
    return [
        {"dataset": dataset, "prompt": prompt, "metric": metric, "value": value(model, dataset, prompt, metric), "n": n}
        for dataset, prompt, metric, n in cells
    ]


def write_metrics(folder: Path, models=MODELS) -> list[str]:
    """Write the metrics files of some models and return their paths."""
    paths = []
    for model, family, backbone, loss, negatives, seed in models:
        for benchmark in ("ccneg", "zeroshot", "sugarcrepe"):
            content = {
                "model": model, "family": family, "backbone": backbone, "loss": loss, "negatives": negatives,
                "seed": seed, "benchmark": benchmark, "metrics": metrics_of(model, benchmark),
            }  # fmt: skip
            path = folder / "evaluate" / model / f"{benchmark}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content))
            paths.append(str(path))
    return paths


def command(module: str, *arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", f"pipeline_lib.paper.{module}", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip


def make_tables(folder: Path, metrics: list[str]) -> subprocess.CompletedProcess:
    return command(
        "tables", "--run", "test", "--published", PUBLISHED, "--metrics", *metrics,
        "--output", folder / "tables.parquet", "--folder", folder / "tables",
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder in which all four commands have run."""
    folder = tmp_path_factory.mktemp("made")
    steps = [make_tables(folder, write_metrics(folder))]
    histories, runs = [], []
    for model, _, _, loss, _, seed in MODELS:
        if loss is None:
            continue
        trained = folder / "finetune" / model
        trained.mkdir(parents=True)
        lines = [{"step": step, "loss": 4 / step, "lr": 1e-4, "logit_scale": 4.6} for step in range(1, 6)]
        (trained / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        run = {"seed": seed, "parameters": {"lr": 1e-4, "note": "<script>alert(1)</script>"}, "backbones": ["a", "b"]}
        (trained / "run.json").write_text(json.dumps(run))
        histories.append(trained / "history.jsonl")
        runs.append(trained / "run.json")
    tables = folder / "tables.parquet"
    steps.append(command("figures", "--tables", tables, "--histories", *histories, "--folder", folder / "figures"))
    steps.append(
        command("report", "--tables", tables, "--folder", folder / "tables", "--figures", folder / "figures",
                "--runs", *runs, "--output", folder / "report.html")
    )  # fmt: skip
    for step in steps:
        assert step.returncode == 0, step.stderr
        assert step.stderr == ""
    return folder


@pytest.fixture(scope="module")
def tables(made) -> pd.DataFrame:
    return read_tables(made / "tables.parquet")[0]


def cell(tables: pd.DataFrame, table: str, model: str, dataset: str, metric: str, prompt: str | None = None) -> float:
    rows = tables[(tables.table == table) & (tables.model == model) & (tables.dataset == dataset)]
    rows = rows[(rows.metric == metric) & (rows.prompt.isna() if prompt is None else rows.prompt == prompt)]
    assert len(rows) == 1
    return rows.value.iloc[0]


def test_every_measured_number_is_a_row(tables):
    for model, *_ in MODELS:
        for name, dataset in (
            ("ccneg", "cc-neg"),
            ("ccneg-by-word", "cc-neg/word=not"),
            ("sugarcrepe", "sugarcrepe/add"),
        ):
            assert cell(tables, name, model, dataset, "accuracy") == value(model, dataset, None, "accuracy")
        for dataset in DATASETS:
            expected = value(model, dataset, "plain", "mean_per_class")
            assert cell(tables, "zeroshot", model, dataset, "mean_per_class", "plain") == expected
            for prompt in ("plain", "negated"):
                expected = value(model, dataset, prompt, "top1")
                assert cell(tables, "negated-prompt", model, dataset, "top1", prompt) == expected


def test_means_gains_and_deltas(tables):
    for model, family, backbone, *_ in MODELS:
        plain = {dataset: value(model, dataset, "plain", "top1") for dataset in DATASETS}
        negated = {dataset: value(model, dataset, "negated", "top1") for dataset in DATASETS}
        clip = {dataset: value(backbone, dataset, "plain", "top1") for dataset in DATASETS}
        assert cell(tables, "zeroshot", model, "mean", "top1", "plain") == pytest.approx(fmean(plain.values()))
        mean_negated = cell(tables, "negated-prompt", model, "mean", "top1", "negated")
        assert mean_negated == pytest.approx(fmean(negated.values()))
        deltas = [plain[dataset] - negated[dataset] for dataset in DATASETS]
        assert cell(tables, "negated-prompt", model, "mean", "delta") == pytest.approx(fmean(deltas))
        for dataset, delta in zip(DATASETS, deltas, strict=True):
            assert cell(tables, "negated-prompt", model, dataset, "delta") == pytest.approx(delta)
        if family == "CLIP":
            assert not ((tables.model == model) & (tables.metric == "gain")).any()
            continue
        gains = [plain[dataset] - clip[dataset] for dataset in DATASETS]
        assert cell(tables, "zeroshot", model, "mean", "gain", "plain") == pytest.approx(fmean(gains))
        for dataset, gain in zip(DATASETS, gains, strict=True):
            assert cell(tables, "zeroshot", model, dataset, "gain", "plain") == pytest.approx(gain)


def test_several_seeds_have_a_mean_row_and_a_single_seed_has_none(tables):
    means = tables[tables.seeds > 1]
    assert set(means.model) == {"conclip-vit"} and set(means.seeds) == {2} and means.seed.isna().all()
    keys = [name for name in KEY if name not in ("model", "seed")]
    runs = tables[tables.model.isin(["conclip-vit-s0", "conclip-vit-s1"])]
    for row in means.itertuples():
        same = runs
        for name in keys:
            wanted = getattr(row, name)
            same = same[same[name].isna()] if wanted is None else same[same[name] == wanted]
        assert len(same) == 2 and row.value == pytest.approx(same.value.mean()) and set(same.n) == {row.n}


def test_ablation_covers_the_ablated_backbone_alone(tables):
    rows = tables[tables.table == "ablation"]
    assert set(rows.backbone) == {"mini-vit"}
    expected = fmean(value("l2-vit-s0", dataset, "plain", "top1") for dataset in DATASETS)
    assert cell(tables, "ablation", "l2-vit-s0", "zero-shot/mean", "top1", "plain") == pytest.approx(expected)
    labels = [model for _, model in layout(tables, "ablation").values.index]
    assert labels == ["CLIP", "L1", "L2", "L_conclip (2 seeds)", "L1 on CREPE-Negate"]


def test_order_and_bytes_do_not_depend_on_the_order_of_the_files(made, tmp_path):
    metrics = sorted(map(str, (made / "evaluate").glob("*/*.json")), reverse=True)
    assert make_tables(tmp_path, metrics).returncode == 0
    assert (tmp_path / "tables.parquet").read_bytes() == (made / "tables.parquet").read_bytes()


def test_parquet_types_descriptions_and_order(made, tables):
    stored = pq.read_schema(made / "tables.parquet")
    assert stored.names == list(COLUMNS) and stored.metadata[b"run"] == b"test"
    for name, (type_, nullable, meaning) in COLUMNS.items():
        field = stored.field(name)
        assert (field.type, field.nullable, field.metadata[b"description"].decode()) == (type_, nullable, meaning)
    assert tables.seed.dtype == "Int64" and not tables.duplicated(KEY).any()
    assert list(dict.fromkeys(tables.table)) == list(TABLES)
    pairs = tables[(tables.table == "ccneg-by-pairs") & (tables.model == "mini-rn")].dataset
    assert list(pairs) == ["cc-neg/pairs=1", "cc-neg/pairs=2", "cc-neg/pairs=10"]
    models = list(dict.fromkeys(tables.model[tables.table == "ccneg"]))
    assert models == [
        "mini-rn", "conclip-rn-s0", "mini-vit", "l1-vit-s0", "l2-vit-s0", "conclip-vit-s0", "conclip-vit-s1",
        "conclip-vit", "crepe-vit-s0",
    ]  # fmt: skip


def test_tables_folder_holds_the_listed_files(made):
    assert {path.name for path in (made / "tables").iterdir()} == set(TABLE_FILES)


def test_headline_numbers(made, tables):
    rows = read_csv(made / "tables" / "headline.csv")
    assert [(row["backbone"], row["model"]) for row in rows] == [
        ("mini-rn", "CLIP"), ("mini-rn", "CoN-CLIP"), ("mini-vit", "CLIP"), ("mini-vit", "CoN-CLIP (2 seeds)"),
    ]  # fmt: skip
    expected = {
        "CC-Neg ↑": value("conclip-rn-s0", "cc-neg", None, "accuracy"),
        "zero-shot ↑": fmean(value("conclip-rn-s0", dataset, "plain", "top1") for dataset in DATASETS),
        "negated prompt ↓": fmean(value("conclip-rn-s0", dataset, "negated", "top1") for dataset in DATASETS),
        "SugarCREPE ↑": fmean(
            value("conclip-rn-s0", f"sugarcrepe/{name}", None, "accuracy") for name in ("replace", "add", "swap")
        ),
    }
    assert {name: float(rows[1][name]) for name in expected} == pytest.approx(expected, abs=0.005)
    printed = command("headline", "--tables", made / "tables.parquet")
    assert printed.returncode == 0 and headline(tables).to_markdown() in printed.stdout
    assert headline(tables).to_markdown() in (made / "tables" / "headline.md").read_text(encoding="utf-8")


def test_csv_and_markdown_agree(made):
    for name in TABLES:
        written = list(csv.reader(io.StringIO((made / "tables" / f"{name}.csv").read_text(encoding="utf-8"))))
        lines = (made / "tables" / f"{name}.md").read_text(encoding="utf-8").splitlines()
        table = [[text.strip() for text in line.strip("|").split("|")] for line in lines if line.startswith("|")]
        assert table[0] == written[0]
        for shown, exact in zip(table[2:], written[1:], strict=True):
            for text, number in zip(shown, exact, strict=True):
                if text != number:
                    assert float(text) == pytest.approx(float(number), abs=0.0551)


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def on_paper_backbone(folder: Path) -> list[str]:
    return write_metrics(
        folder,
        [
            ("vit-b32", "CLIP", "vit-b32", None, None, None),
            ("conclip-b32-s0", "CoN-CLIP", "vit-b32", "conclip", "ccneg", 0),
            ("l2-b32-s0", "CoN-CLIP", "vit-b32", "l2", "ccneg", 0),
        ],
    )


def test_published_numbers_stand_beside_the_same_backbone_only(made, tables, tmp_path):
    assert tables.published.isna().all() and tables.published_provenance.isna().all()
    assert make_tables(tmp_path, on_paper_backbone(tmp_path)).returncode == 0
    found, _ = read_tables(tmp_path / "tables.parquet")
    found = found.set_index(["table", "model", "dataset"])
    published = {
        key: (row.published.iloc[0], row.published_provenance.iloc[0])
        for key, row in found.groupby(level=[0, 1, 2], sort=False)
    }
    assert published["ccneg", "conclip-b32-s0", "cc-neg"] == (99.70, "paper")
    assert published["ccneg", "vit-b32", "cc-neg"] == (65.75, "replication")
    assert published["ablation", "l2-b32-s0", "cc-neg"] == (56.07, "paper")
    assert published["ablation", "conclip-b32-s0", "zero-shot/mean"] == (73.95, "paper")
    assert published["sugarcrepe", "vit-b32", "sugarcrepe/swap_obj"] == (60.41, "replication")
    assert pd.isna(published["ccneg", "l2-b32-s0", "cc-neg"][0])
    assert "(99.7)" in (tmp_path / "tables" / "headline.md").read_text(encoding="utf-8")
    rows = read_csv(tmp_path / "tables" / "ccneg.csv")
    assert [row["accuracy (published)"] for row in rows] == ["65.75", "99.70"]


def test_published_prefers_the_paper_and_never_compares_recalled_numbers(tmp_path):
    path = tmp_path / "published.tsv"
    path.write_text(
        "table\tmodel\tbackbone\tdataset\tmetric\tvalue\tprovenance\n"
        "ccneg\tCLIP\tViT-B/32\tcc-neg\taccuracy\t1\trecalled\n"
        "ccneg\tCLIP\tViT-B/16\tcc-neg\taccuracy\t2\treplication\n"
        "ccneg\tCLIP\tViT-B/16\tcc-neg\taccuracy\t3\tpaper\n"
        "ccneg\tCLIP\tViT-B/16\tcc-neg\taccuracy\t4\tquoted\n"
    )
    row = {"table": "ccneg", "family": "CLIP", "loss": None, "negatives": None, "dataset": "cc-neg", "prompt": None}
    row["metric"] = "accuracy"
    assert find_published(read_published(path), row | {"backbone": "vit-b32"}) == (None, None)
    assert find_published(read_published(path), row | {"backbone": "vit-b16"}) == (3.0, "paper")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ccneg\tCLIP\tViT-B/32\tcc-neg\taccuracy\tmany\tpaper", "line 2: expected value to be a number"),
        ("ccneg\tCLIP\tViT-B/32\tcc-neg\taccuracy\tnan\tpaper", "line 2: expected value to be a number"),
        ("ccneg\tCLIP\tViT-B/32\tcc-neg\taccuracy\t1\tguessed", "line 2: expected provenance"),
        ("a\tb\tc\td\te\t1\tpaper\na\tb\tc\td\te\t2\tpaper", "line 3: .* already in the file"),
    ],
)
def test_broken_published_numbers_are_refused(tmp_path, line, message):
    path = tmp_path / "published.tsv"
    path.write_text("table\tmodel\tbackbone\tdataset\tmetric\tvalue\tprovenance\n" + line + "\n")
    with pytest.raises(ValueError, match=message):
        read_published(path)


def change(path: str, **fields) -> None:
    content = json.loads(Path(path).read_text())
    Path(path).write_text(json.dumps(content | fields))


def change_first_metric(path: str, **fields) -> None:
    metrics = json.loads(Path(path).read_text())["metrics"]
    change(path, metrics=[metrics[0] | fields, *metrics[1:]])


BROKEN = {
    "no JSON": (lambda path: Path(path).write_text("{"), "expected JSON"),
    "a list": (lambda path: Path(path).write_text("[]"), "is not of type 'object'"),
    "an unknown key": (lambda path: change(path, note="x"), "'note' was unexpected"),
    "an unknown metric key": (lambda path: change_first_metric(path, stderr=1.0), "'stderr' was unexpected"),
    "an unknown benchmark": (lambda path: change(path, benchmark="valse"), "'valse' is not one of"),
    "an unknown dataset": (lambda path: change_first_metric(path, dataset="cc-neg/length=3"), "not a dataset of"),
    "an unknown prompt": (lambda path: change_first_metric(path, prompt="plain"), "expected prompt to be one of"),
    "an unknown metric": (lambda path: change_first_metric(path, metric="top1"), "expected metric to be one of"),
    "an unknown loss": (lambda path: change(path, loss="l4"), "'l4' is not one of"),
    "not a number": (lambda path: change_first_metric(path, value=float("nan")), "expected a percentage, found nan"),
    "no percentage": (lambda path: change_first_metric(path, value=101), "greater than the maximum of 100"),
    "no items": (lambda path: change_first_metric(path, n=0), "less than the minimum of 1"),
    "other items": (lambda path: change_first_metric(path, n=99), "n=99 in .*conclip-rn-s0"),
    "no whole": (lambda path: change_first_metric(path, dataset="cc-neg/word=x"), "expected the dataset cc-neg"),
    "a changed seed": (lambda path: change(path, seed=3), "in another file"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_metrics_file_is_named(tmp_path, name):
    damage, message = BROKEN[name]
    metrics = write_metrics(tmp_path)
    broken = str(tmp_path / "evaluate" / "conclip-rn-s0" / "ccneg.json")
    damage(broken)
    # Last, so that a model's other files say first what the model is.
    with pytest.raises(ValueError, match=message) as error:
        read_metrics([*(path for path in metrics if path != broken), broken])
    assert broken in str(error.value)


def test_missing_and_repeated_metrics_are_refused(tmp_path):
    metrics = write_metrics(tmp_path)
    with pytest.raises(ValueError, match=r"conclip-vit-s0 has cc-neg.* twice"):
        read_metrics([*metrics, next(path for path in metrics if path.endswith("conclip-vit-s0/ccneg.json"))])
    with pytest.raises(ValueError, match=r"l2-vit-s0 has metrics but none of benchmark sugarcrepe"):
        read_metrics([path for path in metrics if not path.endswith("l2-vit-s0/sugarcrepe.json")])
    with pytest.raises(ValueError, match=r"conclip-rn-s0.*: expected one CLIP baseline for backbone mini-rn, found 0"):
        read_metrics([path for path in metrics if "/mini-rn/" not in path])
    with pytest.raises(FileNotFoundError, match=r"absent\.json"):
        read_metrics([*metrics, str(tmp_path / "absent.json")])
    zeroshot = str(tmp_path / "evaluate" / "mini-vit" / "zeroshot.json")
    kept = [
        metric
        for metric in metrics_of("mini-vit", "zeroshot")
        if (metric["dataset"], metric["prompt"]) != ("counts", "negated")
    ]
    change(zeroshot, metrics=kept)
    with pytest.raises(ValueError, match=r"zeroshot\.json: expected top1 of counts with the negated prompt"):
        read_metrics(metrics)


def test_models_that_share_a_name_but_not_a_loss_are_refused(tmp_path):
    models = [*MODELS[:2], MODELS[2], ("conclip-vit-s1", "CoN-CLIP", "mini-vit", "l1", "ccneg", 1)]
    with pytest.raises(ValueError, match="expected models of one name to differ in their seed alone"):
        build_tables(*read_metrics(write_metrics(tmp_path, models)), {})


def test_a_mistake_ends_the_command_in_one_line(tmp_path):
    failed = make_tables(tmp_path, [str(tmp_path / "absent.json")])
    assert failed.returncode == 1 and failed.stderr.count("\n") == 1 and "absent.json" in failed.stderr
    failed = command("headline", "--tables", tmp_path / "tables.parquet")
    assert failed.returncode == 1 and "pipeline_lib.paper.tables" in failed.stderr
    pq.write_table(pa.table({"x": [1]}), tmp_path / "foreign.parquet")
    failed = command("headline", "--tables", tmp_path / "foreign.parquet")
    assert failed.returncode == 1 and "expected the columns" in failed.stderr


def test_figures_are_the_listed_files_at_column_width(made):
    assert {path.name for path in (made / "figures").iterdir()} == set(FIGURE_FILES)
    for name in FIGURES:
        with Image.open(made / "figures" / f"{name}.png") as picture:
            assert picture.width == 1020
            assert len(picture.convert("L").getcolors()) > 2, "the picture is blank"


def test_figures_have_the_same_bytes_each_time_even_without_histories_and_ablation(made, tmp_path):
    tables = tmp_path / "tables.parquet"
    assert make_tables(tmp_path, write_metrics(tmp_path, MODELS[:2])).returncode == 0
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        drawn = command("figures", "--tables", tables, "--histories", "--folder", folder)
        assert drawn.returncode == 0, drawn.stderr
    for name in FIGURE_FILES:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_broken_histories_are_named(made, tmp_path):
    for model, text, message in (
        ("conclip-vit-s0", '{"step": 1}\n', "line 1: expected JSON with numbers step and loss"),
        ("conclip-vit-s0", '{"step": 1, "loss": 2}\n{"step": 2, "loss": NaN}\n', "line 2: expected a finite loss"),
        ("stranger", '{"step": 1, "loss": 2}\n', "expected a folder named like a model"),
    ):
        path = tmp_path / model / "history.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        failed = command("figures", "--tables", made / "tables.parquet", "--histories", path, "--folder", tmp_path)
        assert failed.returncode == 1 and message in failed.stderr and str(path) in failed.stderr


class Page(HTMLParser):
    """Collect tags, links, table cells and balance of a page."""

    VOID = ("meta", "img", "link", "br")

    def __init__(self, text: str):
        super().__init__()
        self.open, self.tags, self.links, self.text, self.alternatives = [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [found for name, found in attrs if name in ("src", "href")]
        self.alternatives += [found for name, found in attrs if name == "alt"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data.strip())


def test_report_is_one_page_with_everything_in_it(made, tables):
    text = (made / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == [] and "script" not in page.tags
    assert all(link.startswith(("#", "data:")) for link in page.links), "the page reaches for the network"
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text and "parameters.lr" in page.text
    for name in TABLES:
        for row in layout(tables, name).text_rows():
            assert set(row) <= set(page.text)
    images = [link for link in page.links if link.startswith("data:image/svg+xml;base64,")]
    assert len(images) == len(page.alternatives) == len(FIGURES)
    assert all(b"<svg" in base64.b64decode(link.partition(",")[2]) for link in images)


def test_report_places_every_table_and_figure_once():
    assert list(SECTIONS) == ["headline", *TABLES]
    assert sorted(figure for figures in SECTIONS.values() for figure in figures) == sorted(FIGURES)


def test_report_names_what_is_missing(made, tmp_path):
    tables = made / "tables.parquet"
    arguments = ("--tables", tables, "--folder", made / "tables", "--output", tmp_path / "report.html")
    failed = command("report", *arguments, "--figures", tmp_path, "--runs")
    assert failed.returncode == 1 and "intro.svg" in failed.stderr
    (tmp_path / "run.json").write_text("[]")
    failed = command("report", *arguments, "--figures", made / "figures", "--runs", tmp_path / "run.json")
    assert failed.returncode == 1 and "run.json: expected a JSON object" in failed.stderr
    assert not (tmp_path / "report.html").exists()


def test_no_command_loads_torch():
    code = (
        "import sys, pipeline_lib.paper.tables, pipeline_lib.paper.figures, pipeline_lib.paper.report, "
        "pipeline_lib.paper.headline; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
