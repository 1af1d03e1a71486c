"""The quality page of the negation table: counts that add up, samples that are drawn fairly, a page that is safe."""

import re
from collections import Counter
from html.parser import HTMLParser

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_lib.captions import quality
from pipeline_lib.captions.quality import main, marked_words, measure, read_batches
from pipeline_lib.captions.rules.backend import blank_row
from pipeline_lib.formats.cc3m import Row
from pipeline_lib.formats.negation import SCHEMA


def row(number, negated=True, caption=None):
    """A row of the table: a caption with a negation, or a refusal."""
    caption = caption or f"a dog on mat {number}"
    made = blank_row(Row(f"{number:09d}", caption, "", None), "rules:lexicon", seed=0)
    if not negated:
        return made | {"reason": "no-pair"}
    return made | {
        "subject": "a dog", "pairs": [{"predicate": "on", "object": f"mat {number}"}], "chosen_pair": 0,
        "negation_word": "not", "negated_caption": caption.replace(" on ", " that is not on "),
        "exclusion_caption": "a dog", "object": f"mat {number}", "status": "negated", "rule": "that-is-not",
        "quality": number % 5 / 5,
    }  # fmt: skip


def write(path, rows):
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)
    return path


def render(folder, *parts, seed=0):
    """Return the page of a table that is cut into parts."""
    paths = [write(folder / f"{number}.parquet", part) for number, part in enumerate(parts)]
    main(["--captions", *map(str, paths), "--seed", str(seed), "--output", str(folder / "quality.html")])
    return (folder / "quality.html").read_text()


def counted(page, table):
    """Return value -> rows, as a count table of the page shows it."""
    body = re.search(rf'<table id="{table}">(.*?)</table>', page, re.DOTALL)[1]
    found = re.findall(r'<th scope="row">(.*?)</th><td>([\d,]+)</td>', body)
    return {value: int(count.replace(",", "")) for value, count in found}


def test_the_counts_are_those_of_the_table(tmp_path):
    page = render(tmp_path, [row(n, negated=n % 4 != 0) for n in range(2000)])
    assert "1,500 of 2,000 captions were negated (75.0%)" in page
    assert counted(page, "status") == {"negated": 1500, "refused": 500}
    assert counted(page, "reason") == {"no-pair": 500}
    assert counted(page, "rule") == {"that-is-not": 1500}
    assert counted(page, "negation_word") == {"not": 1500, "no": 0, "without": 0}
    assert counted(page, "pairs") == {"0": 500, "1": 1500}
    assert page.count('<dd class="negated">') == 100
    assert page.count("<dt>no-pair</dt>") == 30
    assert "that is not" not in page and "<ins>that</ins> <ins>is</ins> <ins>not</ins>" in page


def test_the_curve_keeps_the_best_and_expects_what_their_scores_say(tmp_path):
    table = write(tmp_path / "t.parquet", [row(n) for n in range(100)] + [row(100, negated=False)])
    found = measure(read_batches([table]), seed=0)
    curve = {score: (rows, round(good, 3)) for score, rows, good in found.curve()}
    assert curve == {0.8: (20, 0.8), 0.6: (40, 0.7), 0.4: (60, 0.6), 0.2: (80, 0.5), 0.0: (100, 0.4)}
    shown = [made["quality"] for made in found.negated]
    assert len(shown) == 100 and shown == sorted(shown)


def test_blind_guesses_by_one_expression(tmp_path):
    rows = [row(n) for n in range(3)] + [
        row(3) | {"negated_caption": "a dog without a mat", "caption": "a dog in sight"}
    ]
    found = {
        name: numbers for name, *numbers in measure(read_batches([write(tmp_path / "t.parquet", rows)]), 0).blind()
    }
    assert found["not"] == [0.75, 0.0, 0.875]
    assert found["without"] == [0.25, 0.0, 0.625]
    assert found["in sight"] == [0.0, 0.25, 0.625]
    assert found["but not"] == [0.0, 0.0, 0.5]


def test_the_page_does_not_depend_on_how_the_table_is_cut_but_on_the_seed(tmp_path):
    rows = [row(n, negated=n % 2 == 0) for n in range(300)]
    whole = render(tmp_path, rows)
    assert render(tmp_path, rows[:10], rows[10:11], rows[11:], []) == whole
    assert render(tmp_path, rows, seed=1) != whole


def test_the_sample_is_uniform(tmp_path, monkeypatch):
    monkeypatch.setattr(quality, "SAMPLES", 5)
    table = write(tmp_path / "t.parquet", [row(n) for n in range(20)])
    drawn = Counter(
        made["key"] for seed in range(400) for made in measure(read_batches([table]), seed).negated
    )  # each of 20 rows is expected 100 times, with a standard deviation of 8.7
    assert sum(drawn.values()) == 2000
    assert len(drawn) == 20 and min(drawn.values()) > 60 and max(drawn.values()) < 140


def test_an_empty_table_has_a_page(tmp_path):
    assert "0 of 0 captions were negated;" in render(tmp_path, [])


def test_captions_are_text_and_nothing_is_loaded(tmp_path):
    bad = '<script>alert("on me")</script> on </dd><img src=x onerror=alert(1)> & more'
    page = render(tmp_path, [row(0, caption=bad), row(1, negated=False, caption=bad)])
    tags = Counter()

    class Tags(HTMLParser):
        def handle_starttag(self, tag, attributes):
            tags[tag] += 1
            assert not {"src", "href", "onerror"} & {name for name, _ in attributes}

    Tags().feed(page)
    assert not {"script", "img", "link", "iframe"} & set(tags)
    assert "&lt;script&gt;" in page and "default-src 'none'" in page


def test_changed_words_are_marked():
    before, after = marked_words("a dog with a hat", "a dog without a hat")
    assert [word for word, changed in before if changed] == ["with"]
    assert [word for word, changed in after if changed] == ["without"]


def test_files_that_are_no_negation_table_are_named(tmp_path):
    (tmp_path / "bad.parquet").write_bytes(b"not parquet")
    pq.write_table(pa.table({"key": ["1"]}), tmp_path / "other.parquet")
    for name in ("bad", "other"):
        with pytest.raises(ValueError, match=f"{name}.parquet: expected a whole negation table"):
            list(read_batches([tmp_path / f"{name}.parquet"]))
    with pytest.raises(FileNotFoundError, match=r"none\.parquet"):
        list(read_batches([tmp_path / "none.parquet"]))
