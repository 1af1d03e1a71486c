"""Negation benchmarks of the drawn world: what each image shows, in COCO's format, and questions in NegBench's.

A question has four captions of three templates: "a picture with A and B" (positive), "a picture with no C" (negative),
"a picture with A but no B" (hybrid). Questions come in fours that share their captions: four images, of each of which
another caption is true and the other three are false. So whoever does not see the image has at most one in four right,
whatever the captions say.
"""

from collections.abc import Iterator
from random import Random

from pipeline_lib.formats.wordings import shows
from pipeline_lib.miniature import COLOURS, PATTERNS, SETTINGS, Scene

#: The kinds of things are not among them: the miniature's image towers hardly tell a ball from a ring, so that no text
#: tower could be right about them (docs/tables.md).
CONCEPTS = (
    *(f"{word} thing" for word in COLOURS),
    *(f"{word} thing" for word in PATTERNS if word != "plain"),
    *SETTINGS,
)
COLUMNS = ("image_path", "correct_answer", *(f"caption_{n}" for n in range(4)), "correct_answer_template")
TRIES = 1000  # at concepts for a question, before the images are called too few

Statement = tuple[str, list[str], list[str]]  # template, concepts that it affirms, concepts that it denies


def concepts_of(scene: Scene) -> set[str]:
    """Return which of `CONCEPTS` an image of the scene shows."""
    attributes = {f"{word} thing" for thing in scene.things for word in (thing.colour, thing.pattern)}
    return {scene.setting, *attributes}.intersection(CONCEPTS)


def instances(shown: dict[str, set[str]]) -> dict:
    """Return COCO's format of instances of images, from the concepts that each of them shows, by key."""
    images = [{"id": number, "file_name": f"{key}.jpg"} for number, key in enumerate(shown, 1)]
    categories = [{"id": number, "name": name} for number, name in enumerate(CONCEPTS, 1)]
    annotations = [
        {"image_id": number, "category_id": CONCEPTS.index(name) + 1}
        for number, names in enumerate(shown.values(), 1)
        for name in sorted(names, key=CONCEPTS.index)
    ]
    annotations = [{"id": number, **annotation} for number, annotation in enumerate(annotations, 1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def questions(shown: dict[str, set[str]], count: int, rng: Random) -> Iterator[dict]:
    """Yield `count` times four rows of NegBench's CSV, of the same four captions each."""
    for number in range(count):
        statements, keys = _four(shown, ("positive", "negative", "hybrid")[number % 3], rng)
        captions = {f"caption_{place}": shows(*said) for place, (_, *said) in enumerate(statements)}
        for answer, (key, (template, *_)) in enumerate(zip(keys, statements, strict=True)):
            row = {"image_path": f"{key}.jpg", "correct_answer": answer, "correct_answer_template": template}
            yield {**row, **captions}


def _four(shown: dict[str, set[str]], fourth: str, rng: Random) -> tuple[list[Statement], list[str]]:
    """Return four statements, one of each template and another `fourth`, and an image of which only each is true."""
    for _ in range(TRIES):
        there = sorted(shown[rng.choice(list(shown))])  # so that A, B and C are seen together
        if len(there) < 4:
            continue
        a, b, c, d = rng.sample(there, 4)
        other = rng.choice([name for name in CONCEPTS if name not in there])
        statements = [("positive", [a, b], []), ("negative", [], [c]), ("hybrid", [a], [b])]
        more = {"positive": ([b, other], []), "negative": ([], [d]), "hybrid": ([b], [a])}
        statements.append((fourth, *more[fourth]))
        rng.shuffle(statements)
        true = [
            {key for key, names in shown.items() if names.issuperset(present) and names.isdisjoint(absent)}
            for _, present, absent in statements
        ]
        only = [sorted(keys - set().union(*true[:place], *true[place + 1 :])) for place, keys in enumerate(true)]
        if all(only):
            return statements, [rng.choice(keys) for keys in only]
    raise ValueError(
        f"expected images of which another statement each is true, found none among {len(shown)}: draw more"
    )
