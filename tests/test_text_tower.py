"""The text tower that computes each distinct prefix once, against CLIP's own, which computes all 77 positions."""

import pytest
import torch
from conftest import REAL_DATA

from pipeline_lib.clip import text_tower
from pipeline_lib.clip.load import clip
from pipeline_lib.clip.text_tower import encode_planned, encode_text, plan_texts, room
from pipeline_lib.clip.tokenizer import tokenize

CAPTIONS = ["a dog", "two red balls next to a small blue box on a beach", "", "a dog", "snow " * 75, "a dog and no cat"]


def encode_padded(model, tokens):
    """Features by a plan with rows that nothing reads, as a GPU is given."""
    return encode_planned(model, *plan_texts(tokens, torch.device("cpu"), padded=True))


@pytest.mark.parametrize("group", [1, 2, 64, None])
def test_features_are_those_of_all_77_positions(tiny_clip, monkeypatch, group):
    monkeypatch.setattr(text_tower, "ROWS_PER_GROUP", group)
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


def random_texts(count, letters, longest):
    """Tokens of texts of few letters: many begin alike, many are equal."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.zeros(count, 77, dtype=torch.long)
    for row in tokens:
        length = int(torch.randint(0, longest + 1, (1,), generator=generator))
        row[: length + 2] = torch.tensor([90, *torch.randint(1, letters + 1, (length,), generator=generator), 99])
    return tokens


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("group", [1, 3])
@pytest.mark.parametrize(("count", "letters", "longest"), [(1, 2, 0), (20, 2, 3), (200, 3, 5), (90, 26, 75)])
def test_each_caption_sees_its_own_tokens_and_each_prefix_is_once_in_a_row(
    monkeypatch, padded, group, count, letters, longest
):
    monkeypatch.setattr(text_tower, "ROWS_PER_GROUP", group)
    texts = random_texts(count, letters, longest)
    order, groups = plan_texts(texts, torch.device("cpu"), padded)
    spelled = []  # what the end of each caption sees
    prefixes = {tuple(text[: end + 1].tolist()) for text in texts for end in range(int(text.argmax()) + 1)}
    for tokens, positions, last, ends in groups:
        rows, places = tokens.shape
        assert padded or rows <= group
        paths = [
            [[seen for seen in range(place + 1) if place <= last[row, seen]] for place in range(places)]
            for row in range(rows)
        ]
        assert all(seen for row in paths for seen in row), "attention to nothing is not a number"
        for end in ends.tolist():
            row, seen = end // places, paths[end // places][end % places]
            assert positions[row, seen].tolist() == list(range(len(seen)))
            spelled.append(tokens[row, seen].tolist())
        for row, count_used in zip(range(rows), (tokens > 0).sum(dim=1).tolist(), strict=True):
            distinct = {tuple(tokens[row, seen].tolist()) for seen in paths[row][:count_used]}
            assert len(distinct) == count_used and distinct <= prefixes
        if rows == len(groups) == 1 and not padded:
            assert places == len(prefixes)
    for place, text in zip(order.tolist(), texts, strict=True):
        assert spelled[place] == text[: int(text.argmax()) + 1].tolist()


def test_padded_plans_have_few_shapes():
    batches = [random_texts(200 + count, 26, 20) for count in range(40)]
    shapes = {}
    for padded in (False, True):
        plans = [plan_texts(tokens, torch.device("cuda"), padded)[1] for tokens in batches]
        shapes[padded] = {plan.tokens.shape for (plan,) in plans}
    assert len(shapes[True]) < len(shapes[False])


@pytest.mark.parametrize("count", [1, 2, 7, 16, 17, 41, 400, 4096, 5001])
def test_room_is_made_for_a_count_and_at_most_an_eighth_more(count):
    assert count <= room(count) <= 1.125 * count
    assert len({room(n) for n in range(1025, 2049)}) == 8


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
