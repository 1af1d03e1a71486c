"""The trimmed text tower against CLIP's own, which computes all 77 positions."""

import pytest
import torch
from torch.nn import functional

from pipeline_lib.clip_door import tokenize
from pipeline_lib.text_tower import encode_captions, encode_text

CAPTIONS = ["a dog", "two red balls next to a small blue box on a beach", "", "a dog", "snow " * 75]


def test_features_are_those_of_all_77_positions(tiny_clip):
    tokens = tokenize(CAPTIONS)
    with torch.no_grad():
        torch.testing.assert_close(encode_text(tiny_clip, tokens), tiny_clip.encode_text(tokens), rtol=1e-4, atol=1e-5)


def test_gradients_are_those_of_all_77_positions(tiny_clip):
    tokens, gradients = tokenize(CAPTIONS[:3]), []
    for encode in (lambda: encode_text(tiny_clip, tokens), lambda: tiny_clip.encode_text(tokens)):
        tiny_clip.zero_grad()
        encode().square().sum().backward()
        gradients.append({n: p.grad.clone() for n, p in tiny_clip.named_parameters() if p.grad is not None})
    tiny_clip.zero_grad()
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        difference = (gradient - gradients[1][name]).abs().max()
        assert difference <= 1e-4 * gradients[1][name].abs().max(), name


def test_captions_keep_their_order_and_repetitions(tiny_clip):
    with torch.no_grad():
        expected = functional.normalize(tiny_clip.encode_text(tokenize(CAPTIONS)), dim=-1)
    features = encode_captions(tiny_clip, CAPTIONS)
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(features[0], features[3])


def test_77_tokens_fit_and_78_do_not():
    assert tokenize(["snow " * 75]).shape == (1, 77)
    with pytest.raises(ValueError, match=r"77 tokens.*snow snow"):
        tokenize(["a dog", "snow " * 76])
