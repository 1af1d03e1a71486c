"""Miniature: a small drawn world that stands for every file of the paper's run, and the server of its images.

A scene is the truth that an image shows (`draw`) and that captions, labels and benchmark items say (`describe`); `make`
writes the files, `serve` is the web. Which words exist belongs to the world and stands here; how many scenes there are
and from which seed is configuration (`settings`).
"""

from dataclasses import dataclass, replace
from random import Random

KINDS = ("ball", "box", "star", "heart", "ring", "cross", "moon", "tree", "house", "fish", "boat", "flower")
COLOURS = {
    "red": (214, 40, 40),
    "green": (44, 150, 60),
    "blue": (45, 90, 220),
    "yellow": (245, 215, 50),
    "purple": (130, 60, 170),
    "orange": (245, 140, 30),
    "pink": (250, 150, 190),
    "white": (245, 245, 245),
}
SIZES = ("small", "large")
PATTERNS = ("plain", "striped", "dotted")
SETTINGS = {"beach": "on", "forest": "in", "desert": "in", "city": "in", "meadow": "in", "lake": "on"}
# Seen from the first thing, and the same layout seen from the other one.
CONVERSE = {"next to": "next to", "above": "below", "below": "above", "in front of": "behind", "behind": "in front of"}
RELATIONS = tuple(CONVERSE)
ARRANGEMENTS = {"single": 0.35, "pair": 0.45, "group": 0.12, "trio": 0.08}


@dataclass(frozen=True)
class Thing:
    """One object: a kind from `KINDS` and its attributes."""

    kind: str
    colour: str
    size: str
    pattern: str


@dataclass(frozen=True)
class Scene:
    """The truth of an image."""

    setting: str  # a key of `SETTINGS`: the background
    # single: one thing; pair: two different things in a relation; group: two or three equal things; trio: three
    # different things in a row
    arrangement: str
    things: tuple[Thing, ...]
    relation: str | None = None  # in a pair, where the first thing is, seen from the second: one of `RELATIONS`


def _sample_thing(rng: Random) -> Thing:
    """Draw a thing; three in five are plain."""
    return Thing(
        kind=rng.choice(KINDS),
        colour=rng.choice(list(COLOURS)),
        size=rng.choice(SIZES),
        pattern=rng.choices(PATTERNS, weights=(3, 1, 1))[0],
    )


def sample_scene(rng: Random, arrangement: str | None = None) -> Scene:
    """Draw a scene, of an arrangement out of `ARRANGEMENTS`, by their weights where none is given.

    In pairs and trios no two things share a kind or a colour, so that swapping either changes the truth.
    """
    if arrangement is None:
        arrangement = rng.choices(list(ARRANGEMENTS), weights=list(ARRANGEMENTS.values()))[0]
    setting = rng.choice(list(SETTINGS))
    if arrangement == "single":
        return Scene(setting, arrangement, (_sample_thing(rng),))
    if arrangement == "group":
        return Scene(setting, arrangement, (_sample_thing(rng),) * rng.choice((2, 3)))
    count = 2 if arrangement == "pair" else 3
    kinds, colours = rng.sample(KINDS, count), rng.sample(list(COLOURS), count)
    things = tuple(
        replace(_sample_thing(rng), kind=kind, colour=colour) for kind, colour in zip(kinds, colours, strict=True)
    )
    return Scene(setting, arrangement, things, rng.choice(RELATIONS) if arrangement == "pair" else None)
