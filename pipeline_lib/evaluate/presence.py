"""Two kinds of benchmark that cannot be passed without the image: the truth table, and retrieval with a negation.

Both are made from what each image of a set shows, in COCO's format of instances: a concept is a category, and an image
without an instance of it does not show it.

**Truth table.** For a concept, an image that shows it and one that does not, and two captions:

=====================  ======================  =======================
image                  "a picture with a dog"  "a picture with no dog"
=====================  ======================  =======================
with a dog             true                    false
without                false                   true
=====================  ======================  =======================

Two questions for each row: which caption is right for the image, and which image is right for the row's true caption.
Every caption is right for one of the two images and every image for one of the two captions, so who does not see the
image has at most half of the captions right, and who does not read the caption at most half of the images. With cosines
s, coded +1 for an image that shows it and a caption that denies it, the four scores are a mean and three effects, in
thousandths of the cosine::

    text        = [s(with, denied) + s(without, denied) - s(with, affirmed) - s(without, affirmed)] / 2
    image       = [s(with, affirmed) + s(with, denied) - s(without, affirmed) - s(without, denied)] / 2
    interaction = [s(with, affirmed) + s(without, denied) - s(with, denied) - s(without, affirmed)] / 2

Both captions' choices are right where the interaction is above the text effect's size, both images' where it is above
the image effect's, and all four where it is above both. Only the interaction is understanding: a model that takes a
negation for the mark of a wrong caption has a text effect far below 0.

**Retrieval.** "a picture with a dog but no cat" ranks images, of which one in twenty shows a dog and no cat, one in
twenty both, and the others no dog. Average precision is that of scikit-learn: the mean over the right images of the
share of right ones among all that score at least as high. Equal scores have 5 % and random ones 6 %; a model that finds
the dogs and does not mind the cat has 53 %.

Which images are taken is drawn, with the concept's name as the seed.
"""

from pathlib import Path
from random import Random

from pipeline_lib.evaluate.declaration import Choice, Kind, Metric
from pipeline_lib.formats.annotations import coco_objects
from pipeline_lib.formats.wordings import TRAINED, UNSEEN, said, shows

PAIRS = 40  # of images with and without a concept; fewer where fewer are there
QUERIES = 3  # of retrieval that want a concept and not another one
RIGHT, OTHERS = 30, 540  # images of a query that show A and not C, as many that show both, and those without A
# COCO's categories that have no singular with an article.
COUNTABLE = {"broccoli": "piece of broccoli", "scissors": "pair of scissors", "skis": "pair of skis"}


def _read_concepts(path: Path) -> tuple[set[str], dict[str, set[str]]]:
    """Return the keys of all images, and by concept those that show it."""
    keys, shown = coco_objects(path)
    return set(keys), {COUNTABLE.get(name, name): found for name, found in shown.items()}


def _read_truth_table(path: Path) -> list[Choice]:
    """Pairs of images for each concept that some images show and others do not, in every wording."""
    everything, shown = _read_concepts(path)
    rows = []
    for concept, found in shown.items():
        rng = Random(f"truth-table/{concept}")
        sides = sorted(found), sorted(everything - found)
        pairs = min(PAIRS, *map(len, sides))
        chosen = list(zip(*(rng.sample(side, pairs) for side in sides), strict=True))
        for wording, forms in (("trained", TRAINED), ("unseen", UNSEEN)):
            for form, templates in forms.items():
                captions = [said(template, concept) for template in templates]
                for images in chosen:
                    columns = {"item": len(rows), "concept": concept, "wording": wording, "form": form}
                    rows.append(Choice(columns, list(images), captions, right=(0, 3)))
    if not rows:
        raise ValueError(f"{path}: expected a category that some of the images show and others do not, found none")
    return rows


def _read_negated_retrieval(path: Path) -> list[Choice]:
    """Queries for each concept that is often seen both with and without others."""
    everything, shown = _read_concepts(path)
    rows = []
    for wanted, found in shown.items():
        rng = Random(f"negated-retrieval/{wanted}")
        others = sorted(everything - found)
        enough = [name for name, other in shown.items() if min(len(found - other), len(found & other)) >= RIGHT]
        if len(others) < OTHERS or not enough:
            continue
        for unwanted in rng.sample(enough, min(QUERIES, len(enough))):
            alone, both = sorted(found - shown[unwanted]), sorted(found & shown[unwanted])
            images = rng.sample(alone, RIGHT) + rng.sample(both, RIGHT) + rng.sample(others, OTHERS)
            columns = {"item": len(rows), "key": images[0], "present": wanted, "absent": unwanted}
            rows.append(Choice(columns, images, [shows([wanted], [unwanted])], right=tuple(range(RIGHT))))
    if not rows:
        raise ValueError(
            f"{path}: expected two categories of which {RIGHT} images show both and {RIGHT} only the first, among "
            f"{OTHERS} without it; found none"
        )
    return rows


_PAIR = {"truth": ("present",)}  # what is of a pair of images stands in both of its rows

TRUTH_TABLE = Kind(
    "truth-table",
    table="truth-table",
    read=_read_truth_table,
    scorer="pipeline_lib.evaluate.benchmark:score_truth_table",
    item=("item", "truth"),
    together="concept",
    scores=("with_affirmed", "with_denied", "without_affirmed", "without_denied"),
    metrics=(
        *(Metric("{benchmark}/{wording}", name, name) for name in ("caption", "image")),
        *(Metric("{benchmark}/{wording}/{truth}", name, name) for name in ("caption", "image")),
        Metric("{benchmark}/{wording}", "all_four", where=_PAIR),
        *(
            Metric("{benchmark}/{wording}", name, name, where=_PAIR, percent=False)
            for name in ("text_effect", "image_effect", "interaction")
        ),
        Metric("{benchmark}/{wording}/form={form}", "caption", "caption", in_order=True),
    ),
)

NEGATED_RETRIEVAL = Kind(
    "negated-retrieval",
    read=_read_negated_retrieval,
    counted="queries",
    together="present",
    scorer="pipeline_lib.evaluate.benchmark:score_ranking",
    metrics=(Metric("{benchmark}", "average_precision", "average_precision"),),
)
