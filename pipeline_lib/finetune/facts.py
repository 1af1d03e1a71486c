"""Facts of the training images, and truth tables of statements about them: what the losses L4 and L5 learn from.

Facts come from the captions alone. A **phrase** is what captions negate, the ``object`` of at least `LEAST` triplets:
"a red ball". It is **present** in an image whose caption has its words in a row, **absent** where the caption has none
of them, and unknown otherwise: "a red star" says nothing of red balls. Absent is a guess, since captions leave things
out. With labels of the images (CC3M's Image-Labels) a phrase is a label: present where the image has it, absent where
neither labels nor caption have one of its words.

A **table** is two statements in the same wording, of which at most one is true of an image:

=====================================  =====================================
``a photo with a ball``                ``a photo with no ball``
``a view with a ball and a tree``      ``a view with a ball but no tree``
``a view with a ball but no tree``     ``a view with a tree but no ball``
=====================================  =====================================

Images that show the phrases of a step's tables are drawn as witnesses of all of them; they need not be of the batch.
Each statement of a table is true of some of them, and the losses give both the same weight. So who sees no
image is right half of the time, whatever the words. In the tables of a **control**, every true statement denies
something, as in captions to which negations were added and nothing else. A negation word then gives it away.

Tables are new in each step and follow from the seed and the step's number, so that a resumed run draws the same.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline_lib.clip.tokenizer import tokenize
from pipeline_lib.formats.cc3m import Part
from pipeline_lib.formats.wordings import indefinite
from pipeline_lib.jobs.files import read_parquet

ARTICLES = ("a", "an", "the")
LEAST = 3  # triplets with a phrase
LONGEST = 4  # words of a phrase, without its article
SHARE_OF_TWO = 0.5  # of the tables that are about two phrases
PAIRS = 10_000  # of a true and a false statement, to see what words alone tell
TRIES = 20  # at two phrases without a common word
WITNESSES = 4  # images, at most, that are drawn because they show a phrase

BASES = ("a photo", "a picture", "an image", "a view")
#: The same wording of what is present and of what is absent: {base}, {a} the phrase, {x} the phrase without article.
#: Those of `pipeline_lib.formats.wordings.UNSEEN` are kept for evaluation.
WITH = (("{base} with {a}", "{base} with no {x}"), ("{base} with {a}", "{base} without {a}"))
OTHERS = (
    ("{a}", "no {x}"),
    ("{a} is visible", "{a} is not visible"),
    ("{a} can be seen in {base}", "{a} cannot be seen in {base}"),
    ("{a} appears in {base}", "{a} does not appear in {base}"),
)
SHARE_OF_OTHERS = 0.65  # of the tables about one phrase
SHARE_OF_VOCABULARY = 0.25  # of the phrases; the others are drawn as often as captions have them
#: The same for a second phrase, after a present one.
SECOND = (
    (" and {a}", " but no {x}"),
    (" and {a}", " and no {x}"),
    (" and {a}", " but not {a}"),
    (" and {a}", " without {a}"),
)


class Statement(NamedTuple):
    """A text, the phrases that it says are present, and those that it says are absent."""

    text: str
    present: tuple[str, ...]
    absent: tuple[str, ...]


class Table(NamedTuple):
    """Two statements, and which of them is true of each witness: 0, 1, or -1 for unknown; shape (w,)."""

    statements: tuple[Statement, Statement]
    truth: np.ndarray


class Facts:
    """What is known of the images of n samples: the phrases in each, and all words that are said of it.

    `articles` has for each phrase how it is said with an article.
    """

    def __init__(
        self,
        present: list[list[str]],
        words: list[list[str]],
        articles: dict[str, str],
        seed: int,
        control: bool = False,
    ) -> None:
        self.present, self.words, self.articles, self.seed, self.control = present, words, articles, seed, control
        self.identity = hashlib.sha256(json.dumps([present, words, articles, seed, control]).encode()).hexdigest()
        self.phrases, self.having = sorted(articles), {phrase: [] for phrase in articles}
        self.several = []
        for row, shown in enumerate(present):
            for phrase in shown:
                self.having[phrase].append(row)
            if len(shown) > 1:
                self.several.append(row)

    def tables(self, step: int, count: int) -> tuple[list[int], list[Table]]:
        """Return the samples whose images witness the tables of a step, w in all, and `count` tables of them."""
        rng = Random(f"{self.seed}/{step}")
        pairs = [self._about_two(rng) if rng.random() < SHARE_OF_TWO else self._about_one(rng) for _ in range(count)]
        phrases = dict.fromkeys(phrase for pair in pairs for said in pair for phrase in (*said.present, *said.absent))
        rows = {row for phrase in phrases for row in self._sample(rng, self.having[phrase])}
        for first, _ in pairs:
            if len(first.present) == 2:
                one, other = (set(self.having[phrase]) for phrase in first.present)
                rows |= {*self._sample(rng, sorted(one & other))}
        rows = sorted(rows)
        witnesses = _Witnesses(self, rows)
        return rows, [Table(pair, self._truth(pair, witnesses)) for pair in pairs]

    def tensors(self, step: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return rows of a step's witnesses (w,), tokens of its statements (count, 77), and the truth (w, count / 2).

        The two statements of a table stand side by side.
        """
        rows, tables = self.tables(step, count // 2)
        statements = tokenize([statement.text for table in tables for statement in table.statements])
        return torch.tensor(rows), statements, torch.from_numpy(np.stack([table.truth for table in tables], axis=1))

    def pairs(self, steps: int, count: int) -> tuple[list[str], list[str], list[int]]:
        """Return true statements of a run, the false ones beside them, and the samples that they are of.

        Each statement of a table is taken once, with one of the images of which it is true, as the losses weigh them.
        A step has `count` statements; some `PAIRS` are taken from the first steps.
        """
        rng, found = Random(f"{self.seed}/pairs"), []
        for step in range(steps):
            if len(found) >= PAIRS:
                break
            rows, tables = self.tables(step, count // 2)
            for (first, second), truth in tables:
                for side, (right, wrong) in enumerate(((first, second), (second, first))):
                    if len(places := np.flatnonzero(truth == side)):
                        found.append((right.text, wrong.text, rows[rng.choice(places.tolist())]))
        return tuple(map(list, zip(*found, strict=True))) if found else ([], [], [])

    def _sample(self, rng: Random, rows: list[int]) -> list[int]:
        return rng.sample(rows, min(WITNESSES, len(rows)))

    def _phrase(self, rng: Random) -> str:
        """Draw a phrase: of the vocabulary, or of what captions mention, so that rare and frequent ones are met."""
        if rng.random() < SHARE_OF_VOCABULARY:
            return rng.choice(self.phrases)
        while not (shown := rng.choice(self.present)):
            pass
        return rng.choice(shown)

    def _about_one(self, rng: Random) -> tuple[Statement, Statement]:
        phrase, base = self._phrase(rng), rng.choice(BASES)
        affirms, denies = rng.choice(OTHERS if rng.random() < SHARE_OF_OTHERS else WITH)
        affirmed = Statement(self._say(affirms, base, phrase), (phrase,), ())
        return affirmed, Statement(self._say(denies, base, phrase), (), (phrase,))

    def _about_two(self, rng: Random) -> tuple[Statement, Statement]:
        together = bool(self.several) and (self.control or rng.random() < 0.5)
        for _ in range(TRIES):
            if together:
                one, other = rng.sample(self.present[rng.choice(self.several)], 2)
            else:
                one, other = self._phrase(rng), self._phrase(rng)
            if {*one.split()}.isdisjoint(other.split()):
                break
        else:
            return self._about_one(rng)
        base, (opening, _), (includes, excludes) = rng.choice(BASES), rng.choice(WITH), rng.choice(SECOND)

        def said(end: str, one: str, other: str) -> str:
            return self._say(opening, base, one) + self._say(end, base, other)

        excluding = Statement(said(excludes, one, other), (one,), (other,))
        if together:
            return Statement(said(includes, one, other), (one, other), ()), excluding
        return Statement(said(excludes, other, one), (other,), (one,)), excluding

    def _truth(self, pair: tuple[Statement, Statement], witnesses: "_Witnesses") -> np.ndarray:
        """Return which of two statements is true of each witness; unknown of all, unless each is true of some."""
        first, second = (witnesses.true(statement) for statement in pair)
        if self.control:
            return np.where(second, 1, -1)
        return np.where(second, 1, np.where(first, 0, -1)) if first.any() and second.any() else np.full(len(first), -1)

    def _say(self, wording: str, base: str, phrase: str) -> str:
        return wording.format(base=base, a=self.articles[phrase], x=phrase)


class _Witnesses:
    """What is known of the images of w samples: arrays of shape (w,) by phrase and by word of the captions."""

    def __init__(self, facts: Facts, rows: Sequence[int]) -> None:
        self.nothing = np.zeros(len(rows), dtype=bool)
        self.having = _where([facts.present[row] for row in rows])
        self.saying = _where([facts.words[row] for row in rows])

    def true(self, statement: Statement) -> np.ndarray:
        """Return of which images a statement is known to be true."""
        present = [self.having.get(phrase, self.nothing) for phrase in statement.present]
        absent = [~self.saying.get(word, self.nothing) for phrase in statement.absent for word in phrase.split()]
        return np.logical_and.reduce(present + absent)


def _where(texts: list[list[str]]) -> dict[str, np.ndarray]:
    """Return for each entry of some of the texts which of them have it."""
    found: dict[str, np.ndarray] = {}
    for place, entries in enumerate(texts):
        for entry in entries:
            found.setdefault(entry, np.zeros(len(texts), dtype=bool))[place] = True
    return found


def load_facts(triplets: Path, seed: int, control: bool = False, labels: Path | None = None) -> Facts:
    """Return the facts of triplets, from their captions or from the labels in a captions file of five columns.

    `triplets` is Parquet with ``key``, ``caption`` and, where there are no labels, ``object``.
    """
    frame = read_parquet(triplets, ["key", "caption", *([] if labels else ["object"])])
    words = [caption.lower().replace(",", " ").split() for caption in frame["caption"]]
    if labels:
        found = labels_of(labels, set(frame["key"]))
        offered = [found.get(key, []) for key in frame["key"]]
        counts = Counter(label for own in offered for label in own)
        articles = {label: indefinite(label) for label, count in counts.items() if count >= LEAST}
        present = [[label for label in own if label in articles] for own in offered]
        words = [said + " ".join(own).split() for said, own in zip(words, offered, strict=True)]
    else:
        articles = phrases_of([text for text in frame["object"] if isinstance(text, str)])  # a released row may lack it
        present = [sorted({*_runs(said)} & articles.keys()) for said in words]
    if not any(present):
        source = f"label of {LEAST} images" if labels else f"object of {LEAST} triplets that stands in a caption"
        raise ValueError(f"{labels or triplets}: expected facts of the images, found no {source}")
    return Facts(present, words, articles, seed, control)


def phrases_of(objects: Sequence[str]) -> dict[str, str]:
    """Return the phrases among the objects of triplets, each without its article, with how it is said most often."""
    forms: dict[str, Counter] = {}
    for said in map(str.lower, objects):
        first, _, rest = said.partition(" ")
        phrase = rest if first in ARTICLES and rest else said
        forms.setdefault(phrase, Counter())[said] += 1
    return {
        phrase: counts.most_common(1)[0][0]
        for phrase, counts in forms.items()
        if counts.total() >= LEAST and len(phrase.split()) <= LONGEST
    }


def _runs(words: list[str]) -> Iterator[str]:
    """Yield all runs of at most `LONGEST` words."""
    for start in range(len(words)):
        for end in range(start + 1, min(start + LONGEST, len(words)) + 1):
            yield " ".join(words[start:end])


def labels_of(captions: Path, keys: set[str]) -> dict[str, list[str]]:
    """Return the labels of the rows `keys` of a captions file, in lower case."""
    return {row.key: [label.lower() for label in row.labels] for row in Part(captions, links=False) if row.key in keys}
