"""The quality score's model: verdicts by hash, the fit, what it gives on rows that were never fitted on."""

from pathlib import Path

import pytest
from captioning import BACKEND
from treebank import TREEBANK

from pipeline_lib.captions import attest, quality_model
from pipeline_lib.captions.quality_model import area, find_judged, fit, interval, main, output_hash, read_verdicts
from pipeline_lib.captions.rules.chunks import cut
from pipeline_lib.captions.rules.scoring import MODEL

VERDICTS = Path(__file__).parent / "captions" / "verdicts.tsv"
CAPTIONS = [TREEBANK.parent / name for name in ("cc3m_captions.tsv", "cc3m_captions_more.tsv")]
needs_captions = pytest.mark.skipif(
    not all(path.exists() for path in CAPTIONS), reason="no CC3M captions in ../shared/data, of which the verdicts are"
)


def test_verdicts_are_recorded_by_hash_and_fitted(tmp_path, capsys, monkeypatch):
    """A reader who likes every hat and no lake: after fitting, a hat without a lake scores higher."""
    outputs, verdicts = ["key\tcaption\tnegated_caption"], ["key\tnegated\twhy\texclusion\tobject"]
    for n, owner in enumerate(["man", "boy", "girl", "woman", "king", "nurse"]):
        outputs += [f"{n}h\ta {owner} wearing a hat\ta {owner} not wearing a hat"]
        outputs += [f"{n}l\ta {owner} near a lake\ta {owner} who is not near a lake"]
        verdicts += [f"{n}h\tgood\t\tgood\tgood", f"{n}l\tbad\tclumsy\tgood\tgood"]
    for name, lines in (("outputs", outputs), ("verdicts", verdicts)):
        (tmp_path / f"{name}.tsv").write_text("\n".join(lines))
    flags = ["--outputs", str(tmp_path / "outputs.tsv"), "--verdicts", str(tmp_path / "verdicts.tsv")]
    main(["record", *flags, "--reader", "B", "--use", "fit"])
    (tmp_path / "hashed.tsv").write_text(capsys.readouterr().out)
    assert "hat" not in (tmp_path / "hashed.tsv").read_text()
    first = read_verdicts(tmp_path / "hashed.tsv")[0]
    output = output_hash("a man wearing a hat", "a man not wearing a hat")
    assert first == (output, "B", "fit", "good", "good", "good", "")

    (tmp_path / "captions.tsv").write_text("\n".join(line.split("\t")[1] + "\turl" for line in outputs[1:]))
    flags = ["--captions", str(tmp_path / "captions.tsv"), "--verdicts", str(tmp_path / "hashed.tsv")]
    (tmp_path / "model.tsv").write_text("# heading\n")
    main(["fit", *flags, "--penalty", "1", "--output", str(tmp_path / "model.tsv")])
    assert "fitted on 12 of 12 verdicts" in capsys.readouterr().out
    lines = (tmp_path / "model.tsv").read_text().splitlines()
    weights = {line.split("\t")[0]: float(line.split("\t")[1]) for line in lines[1:]}
    assert lines[0] == "# heading" and list(weights) == list(MODEL)
    assert weights["form not-participle"] > 0 > weights["form that-is-not"]


def test_measures():
    assert area([0.1, 0.4, 0.4, 0.9], [False, True, False, True]) == pytest.approx(3.5 / 4)
    assert [round(end, 3) for end in interval(155, 200)] == [0.712, 0.827]


def test_attested_words_are_counted_by_lemma():
    texts = ["a dog on a mat", "two dogs on mats", "dogs sleep on the mat"]
    table = attest.table(attest.count(cut(BACKEND.tagger(text)) for text in texts))
    assert table.splitlines()[1:] == ["noun\t1\tdog|mat", "on\t1\tmat"]


@needs_captions
@pytest.mark.slow
def test_the_model_is_the_one_that_the_verdicts_give():
    texts = list(quality_model._read_captions(CAPTIONS))
    verdicts = read_verdicts(VERDICTS)
    model = fit(find_judged(texts, (verdict for verdict in verdicts if verdict.use == "fit")))
    assert {name: weight.weight for name, weight in model.items()} == pytest.approx(
        {name: weight.weight for name, weight in MODEL.items()}, abs=0.02
    )
