"""The text tower that computes each distinct prefix once, against CLIP's own, which computes all 77 positions."""

import pytest
import torch
from conftest import REAL_DATA

from pipeline_lib.clip import text_tower
from pipeline_lib.clip.load import clip
from pipeline_lib.clip.text_tower import encode_text, find_prefixes
from pipeline_lib.clip.tokenizer import tokenize

CAPTIONS = ["a dog", "two red balls next to a small blue box on a beach", "", "a dog", "snow " * 75, "a dog and no cat"]


def slow_varlen(queries, keys, values, query_starts, key_starts, max_q, max_k, window_size):
    """`torch.nn.attention.varlen.varlen_attn` by one plain attention per sequence."""
    outputs = []
    for i in range(len(query_starts) - 1):
        q = queries[query_starts[i] : query_starts[i + 1]]
        k, v = (x[key_starts[i] : key_starts[i + 1]] for x in (keys, values))
        assert len(q) <= max_q
        assert len(k) <= max_k
        logits = torch.einsum("qhd,khd->hqk", q, k) / q.shape[-1] ** 0.5
        if window_size == (-1, 0):
            seen = torch.ones(len(q), len(k), dtype=torch.bool).tril(len(k) - len(q))
            logits = logits.masked_fill(~seen, float("-inf"))
        outputs.append(torch.einsum("hqk,khd->qhd", logits.softmax(dim=-1), v))
    return torch.cat(outputs)


@pytest.fixture(params=["padded attention", "unpadded attention"])
def attention(request, monkeypatch):
    """Both ways to attend; the kernel of the second runs on a GPU alone, so its definition stands in for it."""
    if request.param == "unpadded attention":
        monkeypatch.setattr(text_tower, "_varies", lambda rows: True)
        monkeypatch.setattr(text_tower, "_attend_unpadded", slow_varlen)


@pytest.mark.parametrize("group", [1, 2, 64])
def test_features_are_those_of_all_77_positions(tiny_clip, attention, monkeypatch, group):
    monkeypatch.setattr(text_tower, "CAPTIONS_PER_GROUP", group)
    tokens = tokenize(CAPTIONS)
    with torch.no_grad():
        torch.testing.assert_close(encode_text(tiny_clip, tokens), tiny_clip.encode_text(tokens), rtol=1e-4, atol=1e-5)


def test_gradients_are_those_of_all_77_positions(tiny_clip, attention):
    tokens, gradients = tokenize([CAPTIONS[i] for i in (0, 1, 2, 3, 5)]), []
    for encode in (lambda: encode_text(tiny_clip, tokens), lambda: tiny_clip.encode_text(tokens)):
        tiny_clip.zero_grad()
        encode().square().sum().backward()
        gradients.append({n: p.grad.clone() for n, p in tiny_clip.named_parameters() if p.grad is not None})
    tiny_clip.zero_grad()
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        difference = (gradient - gradients[1][name]).abs().max()
        assert difference <= 1e-4 * gradients[1][name].abs().max(), name


def test_prefixes_are_the_distinct_ones_and_paths_lead_through_them():
    generator = torch.Generator().manual_seed(0)
    rows = []
    for _ in range(200):  # three letters and short texts: many shared beginnings, many equal captions
        length = int(torch.randint(0, 5, (1,), generator=generator))
        letters = (torch.randint(1, 4, (length,), generator=generator)).tolist()
        rows.append(tuple([90, *letters, 99] + [0] * (77 - length - 2)))
    rows.sort()
    tokens = torch.tensor(rows)
    found = find_prefixes(tokens, tokens.argmax(dim=-1))
    distinct = {row[: end + 1] for row in rows for end in range(row.index(99) + 1)}
    assert len(found.tokens) == len(distinct)
    spelled = {}
    for row, path, end in zip(rows, found.paths.tolist(), found.ends.tolist(), strict=True):
        assert row[end] == 99
        for position, number in enumerate(path[: end + 1]):
            assert spelled.setdefault(number, row[: position + 1]) == row[: position + 1]
            assert (found.tokens[number], found.positions[number]) == (row[position], position)
        assert not any(path[end + 1 :])
    assert set(spelled.values()) == distinct
    assert found.paths.flatten()[found.first].tolist() == list(range(len(distinct)))
    assert found.packed[found.first_packed].tolist() == list(range(len(distinct)))
    for row in range(200):
        start, stop = found.starts[row : row + 2].tolist()
        assert found.packed[start:stop].tolist() == found.paths[row, : stop - start].tolist()


def test_tokens_are_those_of_clip():
    path = REAL_DATA / "cc3m_captions.tsv"  # captions of the web, where there are any beside the repository
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    captions = [
        *CAPTIONS,
        "A Dog 's ball , isn't it ?! no-one 42nd rock'n'roll",
        "tom &amp; jerry &lt;3",
        "fish & chips",
        "caf\u00e9 cr\u00e8me \u2014 \u201cna\u00efve\u201d \U0001f600",
        "  two   spaces\tand a tab\n",
        "<|startoftext|>odd<|endoftext|> text",
        "donaudampfschifffahrtsgesellschaft",
        *(line.partition("\t")[0] for line in lines),
    ]
    assert torch.equal(tokenize(captions), clip.tokenize(captions).long())
