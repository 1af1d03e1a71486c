"""Distractors: the best image against a plain double loop, and ties."""

import torch
from torch.nn import functional

from pipeline_lib.distractors.choose import best_images


def test_the_distractor_has_the_highest_difference_of_cosines():
    torch.manual_seed(0)
    images, exclusions, objects = (functional.normalize(torch.randn(n, 8), dim=-1) for n in (20, 6, 6))
    scores, rows = best_images(images, exclusions, objects)
    for sample in range(6):
        differences = [float(image @ exclusions[sample] - image @ objects[sample]) for image in images]
        assert rows[sample] == differences.index(max(differences))
        assert abs(scores[sample] - max(differences)) < 1e-5


def test_it_shows_the_exclusion_caption_and_not_the_object():
    axes = torch.eye(3)  # 0: what stays, 1: the object, 2: something else
    images = functional.normalize(torch.stack([axes[0] + axes[1], axes[0], axes[2]]), dim=-1)
    _, rows = best_images(images, axes[:1], axes[1:2])
    assert rows.tolist() == [1]


def test_ties_go_to_the_first_image():
    images = torch.ones(4, 2) / 2**0.5
    assert best_images(images, torch.eye(2)[:1], torch.eye(2)[1:])[1].tolist() == [0]
