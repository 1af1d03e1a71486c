"""Fused activations: the numbers of CLIP's own, forward and backward, and a model left as it was."""

import copy

import pytest
import torch

from pipeline_lib.clip.fused import fused_activations
from pipeline_lib.clip.load import set_activation
from pipeline_lib.clip.text_tower import encode_text
from pipeline_lib.clip.tokenizer import tokenize
from pipeline_lib.clip.variants import vary

PIXELS = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def gradients(model, features):
    """Return the gradients of the weights of a sum in which every feature has another part."""
    model.zero_grad()
    (features * torch.linspace(-1, 1, features.numel()).view_as(features)).sum().backward()
    return {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


def test_features_and_gradients_are_those_of_clip(tiny_clip):
    model = copy.deepcopy(tiny_clip)
    expected = model.encode_image(PIXELS)
    slopes = gradients(model, expected)
    with fused_activations(model.visual):
        found = model.encode_image(PIXELS)
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()
    found_slopes = gradients(model, found)
    assert found_slopes.keys() == slopes.keys()
    for name, slope in slopes.items():
        assert (found_slopes[name] - slope).abs().max() < 1e-4 * slope.abs().max(), name


def test_without_gradients_the_features_are_the_same(tiny_clip):
    with fused_activations(tiny_clip.visual):
        expected = tiny_clip.encode_image(PIXELS)
        with torch.no_grad():
            assert torch.equal(tiny_clip.encode_image(PIXELS), expected)


def test_each_block_computes_one_pass_over_its_activations(tiny_clip):
    def passes():
        with torch.no_grad(), torch.profiler.profile() as profile:
            tiny_clip.encode_image(PIXELS)
        counts = {event.key: event.count for event in profile.key_averages()}
        return counts.get("aten::sigmoid", 0), counts.get("aten::silu_", 0)

    blocks = len(tiny_clip.visual.transformer.resblocks)
    assert passes() == (blocks, 0)
    with fused_activations(tiny_clip.visual):
        assert passes() == (0, blocks)
    assert passes() == (blocks, 0)


@pytest.mark.parametrize("how", ["gelu", "fp16"])
def test_what_is_not_quickgelu_in_fp32_stays_as_it_is(tiny_clip, how):
    model = copy.deepcopy(tiny_clip)
    model = set_activation(model, "gelu") if how == "gelu" else vary(model, "fp16")
    with fused_activations(model):
        assert not [module for module in model.modules() if "forward" in vars(module)]


def test_weights_changed_between_two_uses_count(tiny_clip):
    model = copy.deepcopy(tiny_clip)
    tokens = tokenize(["a dog on a mat", "a dog that is not on a mat"])
    with torch.no_grad():
        encode_text(model, tokens)
        model.transformer.resblocks[0].mlp.c_fc.weight.mul_(2)
        found, expected = encode_text(model, tokens), model.encode_text(tokens)
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()
