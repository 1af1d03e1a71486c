"""What the tables say of their numbers: verdicts beside the paper, claims, and what is bold."""

import csv
import re

import pandas as pd
import pytest
from made_up_items import DATASETS, PROMPTS
from papers import MODELS, PUBLISHED_HEADER, make_tables, write_metrics

from pipeline_lib.paper.outputs import REASONS, TABLES, VERDICTS
from pipeline_lib.paper.tables import claims
from pipeline_lib.paper.tables.layout import layout
from pipeline_lib.paper.tables.overview import headline
from pipeline_lib.paper.tables.published import ZEROSHOT_DATASETS, Number, read_published, with_verdicts
from pipeline_lib.paper.tables.schema import read_tables
from pipeline_lib.paper.tables.text import latex_table

ROW = {
    "benchmark": "ccneg", "table": "ccneg", "family": "CoN-CLIP",
    "model": "conclip-b32-s0", "backbone": "vit-b32", "loss": "conclip",
    "negatives": "ccneg", "seed": 0, "seeds": 1, "dataset": "cc-neg", "prompt": None, "metric": "accuracy",
    "value": 99.5, "n": 40_000, "low": 99.4, "high": 99.6,
}  # fmt: skip
TRUTH = "truth-table/trained"
CELL = ("ccneg", "CoN-CLIP", "vit-b32", "cc-neg", "", "accuracy")


def judged(published: dict, released: bool = True, datasets=ZEROSHOT_DATASETS, in_fp16=(), **changes) -> pd.Series:
    rows = pd.DataFrame([ROW | changes])
    return with_verdicts(rows, published, set(datasets), released, in_fp16).iloc[0]


@pytest.mark.parametrize(
    ("value", "provenance", "rounding", "verdict"),
    [
        (99.5, "paper", 0.005, "reproduced"),
        (99.604, "paper", 0.005, "reproduced"),
        (99.606, "paper", 0.005, "not reproduced"),
        (99.64, "paper", 0.05, "reproduced"),
        (99.394, "quoted", 0.005, "not reproduced"),
        (99.396, "replication", 0.005, "reproduced"),
        (99.0, "paper", 0.05, "not reproduced"),
        (99.0, "radar", 0.05, "reproduced"),
        (98.8, "radar", 0.05, "not reproduced"),
        (100.1, "radar", 0.05, "reproduced"),
        (100.2, "radar", 0.05, "not reproduced"),
    ],
)
def test_reproduced_is_within_the_interval_and_the_published_number_s_own_error(value, provenance, rounding, verdict):
    row = judged({CELL: Number(value, provenance, rounding)})
    assert (row.verdict, row.reason) == (verdict, None)
    assert (row.published, row.published_provenance) == (value, provenance)
    assert row.difference == pytest.approx(99.5 - value)


def test_what_is_not_comparable_says_why_and_recalled_numbers_are_not_shown():
    number = Number(99.5, "paper", 0.005)
    other_prompt = ("zeroshot", "CLIP", "vit-b32", "cifar-10", "photo", "top1")
    ensemble = {"table": "zeroshot", "family": "CLIP", "loss": None, "dataset": "cifar-10", "prompt": "ensemble"}
    unnamed = ("negated-prompt", "CLIP", "", "cifar-10", "negated", "top1")
    negated = ensemble | {"table": "negated-prompt", "prompt": "negated", "metric": "top1"}
    mean = ("ablation", "L_conclip", "vit-b32", "zero-shot/mean", "bare", "top1")
    cases = {
        "other backbone": judged({CELL: number}, backbone="mini-rn"),
        "other data": judged({CELL: number}, released=False),
        "other loss": judged(
            {("ablation", "L1+C2I on CREPE-Negate", *CELL[2:]): number}, table="ablation", loss="l1", negatives="crepe"
        ),
        "other precision": judged({CELL: Number(99.5, "quoted", 0.005, "x", "fp16")}),
        "other activation": judged({CELL: Number(99.5, "quoted", 0.005, "x", "gelu")}),
        "recalled only": judged({CELL: Number(99.5, "recalled", 0.005)}),
        "nothing published": judged({CELL: number}, dataset="cc-neg/word=no"),
        "other prompt": judged({other_prompt: number}, **ensemble, metric="top1"),
        "backbone not named": judged({unnamed: number}, **negated),
        "other datasets": judged(
            {mean: number}, datasets=DATASETS, table="ablation", dataset="zero-shot/mean", prompt="bare", metric="top1"
        ),
    }
    assert set(cases) == set(REASONS)
    for reason, row in cases.items():
        assert (row.verdict, row.reason) == ("not comparable", reason)
        shown = reason in ("other data", "other loss", "other precision", "other activation")
        assert pd.notna(row.published) == pd.notna(row.difference) == shown, reason


def test_rounding_is_half_of_the_last_printed_digit(tmp_path):
    path = tmp_path / "published.tsv"
    line = "ccneg\tCLIP\tvit-b32\tcc-neg/word={0}\t\taccuracy\t{0}\tpaper\t\t\n"
    path.write_text(PUBLISHED_HEADER + "".join(line.format(text) for text in ("99.70", "63.3", "4")))
    assert [number.rounding for number in read_published(path).values()] == pytest.approx([0.005, 0.05, 0.5])


def test_a_clip_in_fp16_is_compared_with_numbers_of_one_in_fp16_alone():
    clip = ("ccneg", "CLIP", "vit-b32", "cc-neg", "", "accuracy")
    for computed, in_fp16, reason in (
        ("fp16", ["ccneg"], None),
        ("fp16", ["sugarcrepe"], "other precision"),
        ("", ["ccneg"], "other precision"),
        ("", [], None),
    ):
        published = {clip: Number(99.5, "replication", 0.005, "x", computed)}
        row = judged(published, in_fp16=in_fp16, family="CLIP", loss=None, negatives=None)
        assert row.reason == reason and row.published_source == "x", (computed, in_fp16)
    assert judged({CELL: Number(99.5, "paper", 0.005)}, in_fp16=["ccneg"]).reason is None  # checkpoints stay in fp32


PAPER = [
    ("vit-b32", "CLIP", "vit-b32", None, None, None),
    ("conclip-b32-s0", "CoN-CLIP", "vit-b32", "conclip", "ccneg", 0),
    ("l2-b32-s0", "CoN-CLIP", "vit-b32", "l2", "ccneg", 0),
]


def test_a_whole_table_is_judged(tmp_path):
    prompts = (*PROMPTS, "photo")
    metrics = write_metrics(tmp_path, PAPER, datasets=sorted(ZEROSHOT_DATASETS), prompts=prompts)
    found = {}
    for ccneg in ("generated", "released"):
        assert make_tables(tmp_path, metrics, ccneg) is None
        found[ccneg] = read_tables(tmp_path / "tables.parquet")[0]
    tables = found["released"]
    assert set(tables.verdict) == set(VERDICTS)
    assert (tables.reason.isna() == (tables.verdict != "not comparable")).all()
    expected = {"nothing published", "other prompt", "backbone not named", "other precision", "other activation"}
    assert set(tables.reason.dropna()) == expected
    compared = tables[tables.reason.isna()]
    assert compared.published.notna().all() and not (compared.published_provenance == "recalled").any()
    assert (compared.difference - (compared.value - compared.published)).abs().max() < 1e-9
    inside = (compared.published >= compared.low - 0.51) & (compared.published <= compared.high + 0.51)
    assert inside[compared.verdict == "reproduced"].all()
    changed = found["generated"].verdict != tables.verdict
    assert set(tables.dataset[changed]) == {"cc-neg"}
    assert set(found["generated"].reason[changed]) == {"other data"}


def set_interval(tables: pd.DataFrame, model: str, dataset: str, metric: str, value: float, low: float, high: float):
    cell = (tables.model == model) & (tables.dataset == dataset) & (tables.metric == metric)
    assert cell.any()
    tables.loc[cell, ["value", "low", "high"]] = value, low, high


def test_claims_hold_fail_or_are_undecided_by_their_interval(tables):
    # The made-up run has no CoN-CLIP+: what CoN-CLIP has there, under another name.
    conclip = tables[tables.model == "conclip-rn-s0"]
    conclip = conclip.assign(dataset=conclip.dataset.replace("negbench-mcq-coco", "mcq"))
    ours = {"plus-rn-s0": "conclip+", "absent-rn-s0": "conclip+absent"}
    added = [conclip.assign(model=model, family=loss, loss=loss) for model, loss in ours.items()]
    tables = pd.concat([tables, *added], ignore_index=True)
    cases = {
        ("clip-near-chance", "mini-rn"): ("mini-rn", "cc-neg", "accuracy", (68, 66, 70), "holds"),
        ("clip-near-chance", "mini-vit"): ("mini-vit", "cc-neg", "accuracy", (74, 72, 76), "undecided"),
        ("conclip-near-ceiling", "mini-rn"): ("conclip-rn-s0", "cc-neg", "accuracy", (89, 88, 89.9), "does not hold"),
        ("conclip-near-ceiling", "mini-vit"): ("conclip-vit", "cc-neg", "accuracy", (97, 96, 98), "holds"),
        ("l1-learns-it", "mini-vit"): ("l1-vit-s0", "cc-neg", "accuracy", (91, 89, 93), "undecided"),
        ("l2-does-not", "mini-vit"): ("l2-vit-s0", "cc-neg", "accuracy", (80, 79, 81), "does not hold"),
        ("zeroshot-kept", "mini-rn"): ("conclip-rn-s0", "mean", "gain", (-1, -2, 0), "holds"),
        ("zeroshot-kept", "mini-vit"): ("conclip-vit", "mean", "gain", (-4, -5, -3.1), "does not hold"),
        ("clip-ignores-not", "mini-rn"): ("mini-rn", "mean", "delta", (0.3, -1, 2), "holds"),
        ("clip-ignores-not", "mini-vit"): ("mini-vit", "mean", "delta", (-4.5, -5.5, -3), "undecided"),
        ("conclip-heeds-not", "mini-rn"): ("conclip-rn-s0", "mean", "delta", (60, 58, 62), "holds"),
        ("conclip-heeds-not", "mini-vit"): ("conclip-vit", "mean", "delta", (10, 8, 12), "does not hold"),
        ("plus-keeps-ccneg", "mini-rn"): ("plus-rn-s0", "cc-neg", "accuracy", (97, 96, 98), "holds"),
        ("plus-keeps-zeroshot", "mini-rn"): ("plus-rn-s0", "mean", "gain", (-2, -3.5, -1), "undecided"),
        ("plus-answers", "mini-rn"): ("plus-rn-s0", "mcq", "accuracy", (60, 58, 62), "holds"),
        ("plus-reads-no", "mini-rn"): ("plus-rn-s0", TRUTH, "caption", (70, 69, 71), "does not hold"),
        ("plus-finds-without", "mini-rn"): ("plus-rn-s0", f"{TRUTH}/absent", "image", (76, 75, 77), "holds"),
        ("control-does-not-answer", "mini-rn"): ("absent-rn-s0", "mcq", "accuracy", (40, 38, 42), "holds"),
        ("control-does-not-read", "mini-rn"): ("absent-rn-s0", TRUTH, "caption", (80, 76, 84), "does not hold"),
    }
    for model, dataset, metric, numbers, _ in cases.values():
        set_interval(tables, model, dataset, metric, *numbers)
    found = claims.judge(tables)
    assert set(found.claim) == set(claims.ALL)
    judged = {(row.claim, row.backbone): (row.model, row.verdict) for row in found.itertuples()}
    assert judged == {key: (case[0], case[-1]) for key, case in cases.items()}
    shown = claims.claims_files(found)["md"]
    assert "| ≥ −5 and ≤ 5 |" in shown and "−5.5 to −3.0" in shown
    assert claims.text_rows(found.assign(value=-0.01))[0][4] == "0.0"


def test_the_claims_file_is_what_the_tables_say(made_up_run, tables):
    rows = list(csv.DictReader((made_up_run / "tables" / "claims.csv").read_text().splitlines()))
    expected = claims.judge(tables)
    assert [(row["claim"], row["backbone"], row["verdict"]) for row in rows] == list(
        zip(expected.claim, expected.backbone, expected.verdict, strict=True)
    )
    assert [float(row["value"]) for row in rows] == pytest.approx(expected.value.tolist(), abs=0.005)


def test_the_best_is_bold_only_if_its_interval_is_clear_of_the_others(tables):
    tables = tables.copy()
    set_interval(tables, "mini-rn", "cc-neg", "accuracy", 60, 55, 65)
    set_interval(tables, "conclip-rn-s0", "cc-neg", "accuracy", 64, 60, 68)  # its low end is not above 60
    set_interval(tables, "mini-vit", "cc-neg", "accuracy", 60, 55, 65)
    set_interval(tables, "conclip-vit", "cc-neg", "accuracy", 64, 60.1, 68)
    set_interval(tables, "blind-rule", "cc-neg", "accuracy", 99, 98, 100)
    arranged = layout(tables, "ccneg")
    assert arranged.best["accuracy"].tolist() == [False, False, False, True, False, False]
    text = arranged.files()["tex"]
    assert r"\textbf{64.0 [60.1, 68.0]}" in text and text.count(r"\textbf") == 1 and "In bold:" in text
    assert "In bold:" not in arranged.files()["md"]


def test_under_a_negated_prompt_low_is_good(tables):
    best = layout(tables, "negated-prompt").best["mean"]
    assert best[("mini-rn", "CoN-CLIP", "negated")] and best[("mini-rn", "CoN-CLIP", "delta")]
    assert not best[("mini-rn", "CLIP", "negated")]
    assert headline(tables).best["negated prompt ↓"].tolist() == [False, True, False, True]
    assert not layout(tables, "zeroshot").best.xs("gain", level="row").to_numpy().any()  # nothing beside it


def parsed(text: str) -> tuple[str, list[list[str]]]:
    """Column types and rows of a LaTeX table, once everything that would stop LaTeX has been looked for."""
    assert text.isascii()
    unescaped = re.sub(r"\\[\\&%$#_{}]", "", text)
    assert not re.search(r"[%#^~<>|]", unescaped)
    depth = 0
    for character in unescaped:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0 and unescaped.count("$") % 2 == 0
    stack = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert stack == []
    assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]
    (types,) = re.findall(r"\\begin\{tabular\}\{(\w+)\}", text)
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    lines = [line for line in body.splitlines() if "\\\\" in line]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)&", line.removesuffix("\\\\"))] for line in lines]
    outside = re.sub(r"(?<!\\)\$.*?(?<!\\)\$", "", "".join(lines))
    assert not re.search(r"(?<!\\)_", outside) and "↑" not in outside
    assert all(line.endswith(" \\\\") for line in lines)
    return types, rows


def test_latex_tables_are_well_formed_and_say_what_the_others_say(made_up_run, tables):
    for arranged in (headline(tables), *(layout(tables, name) for name in TABLES)):
        types, rows = parsed((made_up_run / "tables" / f"{arranged.name}.tex").read_text(encoding="utf-8"))
        assert {len(row) for row in rows} == {len(types)} == {len(arranged.headings())}
        assert len(rows) == len(arranged.values) + 1
        for text, row in zip(arranged.text_rows(), rows[1:], strict=True):
            plain = [re.sub(r"\\textbf\{(.*)\}", r"\1", cell).replace("$-$", "-").replace("\\_", "_") for cell in row]
            assert plain == text
    types, rows = parsed((made_up_run / "tables" / "claims.tex").read_text(encoding="utf-8"))
    assert {len(row) for row in rows} == {len(types)} and len(rows) == len(claims.judge(tables)) + 1


def test_latex_of_a_table_without_a_row_and_of_every_hostile_character(tmp_path):
    assert make_tables(tmp_path, write_metrics(tmp_path, MODELS[:1])) is None
    types, rows = parsed((tmp_path / "tables" / "ablation.tex").read_text(encoding="utf-8"))
    assert rows[-1][0].startswith(r"\multicolumn{2}") and types == "ll"
    hostile = 'a_b & 50 % #1 $x$ {y} ^ ~ \\ <z> | "q" ↑'
    types, rows = parsed(latex_table("x", hostile, [hostile, "n"], [[hostile, "-1.5"]], 1, [[True]]))
    assert types == "lr" and rows[1][1] == r"\textbf{$-$1.5}" and len(rows[1]) == 2
