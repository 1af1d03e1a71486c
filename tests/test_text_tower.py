"""The text tower that computes each distinct prefix once, against CLIP's own, which computes all 77 positions."""

import pytest
import torch
from conftest import REAL_DATA

from pipeline_lib.clip import text_tower
from pipeline_lib.clip.load import clip
from pipeline_lib.clip.text_tower import encode_planned, encode_text, find_prefixes, plan_texts, room
from pipeline_lib.clip.tokenizer import tokenize

CAPTIONS = ["a dog", "two red balls next to a small blue box on a beach", "", "a dog", "snow " * 75, "a dog and no cat"]


def encode_padded(model, tokens):
    """Features by a plan with rows that nothing reads, as a GPU is given."""
    return encode_planned(model, *plan_texts(tokens, torch.device("cpu"), padded=True))


@pytest.mark.parametrize("group", [1, 2, 64, None])
def test_features_are_those_of_all_77_positions(tiny_clip, monkeypatch, group):
    monkeypatch.setattr(text_tower, "CAPTIONS_PER_GROUP", group)
    tokens, encode = tokenize(CAPTIONS), encode_text if group else encode_padded
    with torch.no_grad():
        torch.testing.assert_close(encode(tiny_clip, tokens), tiny_clip.encode_text(tokens), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("ours", [encode_text, encode_padded])
def test_gradients_are_those_of_all_77_positions(tiny_clip, ours):
    tokens, gradients = tokenize([CAPTIONS[i] for i in (0, 1, 2, 3, 5)]), []
    for encode in (lambda: ours(tiny_clip, tokens), lambda: tiny_clip.encode_text(tokens)):
        tiny_clip.zero_grad()
        encode().square().sum().backward()
        gradients.append({n: p.grad.clone() for n, p in tiny_clip.named_parameters() if p.grad is not None})
    tiny_clip.zero_grad()
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        difference = (gradient - gradients[1][name]).abs().max()
        assert difference <= 1e-4 * gradients[1][name].abs().max(), name


def test_a_padded_plan_is_the_plain_one_with_rows_that_nothing_reads_and_has_few_sizes(tiny_clip):
    batches = [tokenize([f"{'no ' * (n % 5)}dog number {m} of {n}" for m in range(64)]) for n in range(100, 140)]
    sizes = set()
    for tokens in batches:
        ((plain,), (padded,)) = (plan_texts(tokens, torch.device("cuda"), padded)[1] for padded in (False, True))
        n, p = len(plain.tokens), len(plain.places)
        for name in ("tokens", "positions", "numbers"):
            one, other = getattr(plain, name), getattr(padded, name)
            assert torch.equal(other[: len(one)], one) and not other[len(one) :].any()
        assert torch.equal(padded.ends, plain.ends) and padded.numbers.max() < n
        rows, columns = padded.inside.shape
        read = {*padded.places[:p].tolist()}
        assert read == {*padded.inside.flatten().nonzero().flatten().tolist()} and len(read) == p
        assert read.isdisjoint(padded.places[p:].tolist()) and padded.places.max() < rows * columns
        assert torch.equal(padded.places[:p] % columns, plain.places % plain.inside.shape[1])
        assert torch.equal(padded.first[:n], padded.places[:p][torch.searchsorted(plain.places, plain.first)])
        sizes.add(tuple(part.shape for part in padded))
    assert len(sizes) <= 4 < len({len(plan_texts(tokens, torch.device("cuda"))[1][0].tokens) for tokens in batches})


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 400, 3700, 4096, 5001])
def test_room_is_made_for_a_count_and_at_most_a_quarter_more(count):
    assert count <= room(count) <= max(count, 1.25 * count)
    assert len({room(n) for n in range(1025, 2049)}) == 4


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
    spelled, paths = {}, torch.full(found.inside.shape, -1)
    paths[found.inside] = found.numbers
    assert torch.equal(found.places, found.inside.flatten().nonzero().flatten())
    for row, path, end in zip(rows, paths.tolist(), tokens.argmax(dim=-1).tolist(), strict=True):
        assert row[end] == 99
        for position, number in enumerate(path[: end + 1]):
            assert spelled.setdefault(number, row[: position + 1]) == row[: position + 1]
            assert (found.tokens[number], found.positions[number]) == (row[position], position)
        assert {*path[end + 1 :]} <= {-1}
    assert set(spelled.values()) == distinct
    assert paths.flatten()[found.first].tolist() == list(range(len(distinct)))
    assert paths[torch.arange(200), tokens.argmax(dim=-1)].tolist() == found.ends.tolist()


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
