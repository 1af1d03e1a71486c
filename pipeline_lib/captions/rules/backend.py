"""The rule-based backend: captions in, rows of the negation table out.

A row depends on nothing but the caption, its key and the seed, so order, slices and workers do not change it. What may
be drawn are the candidates that the score (`scoring`) calls good with a probability of `min_quality` or more. A pair
with a negation word is drawn by the words' weights, then a form; where a sentence fails the checks the next follows.
"""

import hashlib
import random
from collections.abc import Iterable, Iterator, Mapping

import spacy
from spacy.language import Language

import pipeline_lib.captions.tagger  # noqa: F401 (registers the component)
from pipeline_lib.captions.rules import checks, scenes
from pipeline_lib.captions.rules.checks import Reason
from pipeline_lib.captions.rules.chunks import Caption
from pipeline_lib.captions.rules.forms import Candidate, candidates
from pipeline_lib.captions.rules.relations import parse
from pipeline_lib.captions.rules.rewriting import exclusion
from pipeline_lib.captions.rules.scoring import Scorer
from pipeline_lib.clip.tokenizer import fits_clip
from pipeline_lib.formats.cc3m import Row
from pipeline_lib.formats.negation import NEGATION_WORDS, SCHEMA
from pipeline_lib.jobs.code_version import code_version

MODULE = "pipeline_lib.captions.negate"  # whose code makes the table

# What scores lower than a caption's best candidate by more than this is not drawn.
NEAR_BEST = 0.05


def load_tagger(name: str) -> Language:
    """Return the spaCy pipeline that tags captions: ``lexicon`` (nothing to download) or an installed one for English.

    Raises ValueError with the command that installs a pipeline that is not installed.
    """
    if name == "lexicon":
        tagger = spacy.blank("en")
        tagger.add_pipe("lexicon_tagger")
        return tagger
    try:
        tagger = spacy.load(name, exclude=["ner"])
    except OSError as error:
        raise ValueError(
            f"the spaCy pipeline {name!r} is not installed; install it with `python -m spacy download {name}` "
            "or choose 'lexicon', which needs no download"
        ) from error
    tagger.add_pipe("caption_conventions")
    return tagger


def parse_weights(text: str) -> dict[str, float]:
    """Read the weights of the negation words, such as ``no=1,not=1,without=1``."""
    parts = [part.partition("=") for part in text.split(",")]
    try:
        weights = {word.strip(): float(value) for word, _, value in parts}
    except ValueError:
        weights = {}
    if (
        sorted(weights) != sorted(NEGATION_WORDS)
        or len(parts) != len(weights)
        or not all(0 < weight < 1e9 for weight in weights.values())
    ):
        example = ",".join(f"{word}=1" for word in NEGATION_WORDS)
        words = f"{', '.join(NEGATION_WORDS[:-1])} and {NEGATION_WORDS[-1]}"
        raise ValueError(f"expected a weight above 0 for each of {words}, such as {example}; found {text!r}")
    return weights


def blank_row(row: Row, backend: str, seed: int, model: str | None = None, prompt: str | None = None) -> dict:
    """Return the table's row of a caption that has no negated caption yet: refused, without a reason."""
    result = dict.fromkeys(SCHEMA.names)
    result.update(key=row.key, caption=row.caption, pairs=[], chosen_pair=-1, status="refused")
    result.update(backend=backend, model=model, prompt=prompt, code=code_version(MODULE), seed=seed)
    return result


def choices(seed: int, key: str) -> random.Random:
    """Return the random numbers that decide on one caption, whatever the order, the part or the worker."""
    return random.Random(int.from_bytes(hashlib.blake2b(f"{seed}:{key}".encode(), digest_size=8).digest()))


class RuleBackend:
    """Negate captions by the rules.

    `word_weights` say how often each negation word is taken where several fit; of what scores below `min_quality`,
    a probability, nothing is taken.
    """

    name = "rules"

    def __init__(self, spacy_model: str, seed: int, word_weights: Mapping[str, float], min_quality: float = 0.0):
        self.tagger = load_tagger(spacy_model)
        self.spacy_model = spacy_model
        self.seed = seed
        self.word_weights = word_weights
        self.min_quality = min_quality

    def negate(self, rows: Iterable[Row]) -> list[dict]:
        """Return one row of the negation table per row of the captions file, in order."""
        return [self._negate(row) for row in rows]

    def _negate(self, row: Row) -> dict:
        result = blank_row(row, f"{self.name}:{self.spacy_model}", self.seed)
        reason = Reason(row.problem) if row.problem else checks.refuse_text(row.caption)
        if reason is None:
            caption = parse(self.tagger(scenes.cut_heading(row.caption)))
            result["subject"] = caption.text(caption.subject)
            result["pairs"] = [caption.pair_texts(pair) for pair in caption.pairs]
            reason = checks.refuse_parsed(caption) or self._fill(result, caption)
        result["reason"] = reason
        return result

    def _fill(self, result: dict, caption: Caption) -> Reason | None:
        """Fill `result` with the first candidate, in random order, that passes the checks; else return why not."""
        safe = [number for number, pair in enumerate(caption.pairs) if not checks.quantified(caption, pair)]
        offered = [made for made in candidates(caption) if made.number in safe]
        if not offered:
            past = scenes.past_verb(caption) is not None
            return Reason.NO_PICTURE if past else Reason.NO_RULE if safe else Reason.QUANTIFIER
        scorer = Scorer(caption)
        scored = [(made, scorer.quality(made)) for made in offered]
        least = max(self.min_quality, max(quality for _, quality in scored) - NEAR_BEST)
        scored = [(made, quality) for made, quality in scored if quality >= least]
        for drawn, quality in self._shuffled(scored, choices(self.seed, result["key"])):
            without = exclusion(caption, drawn.pair)
            problem = checks.unfaithful(caption, drawn.pair, drawn.form.word, drawn.text, without)
            if problem is None and fits_clip(drawn.text):
                result.update(
                    chosen_pair=drawn.number,
                    negation_word=drawn.form.word,
                    negated_caption=drawn.text,
                    exclusion_caption=without,
                    object=caption.text(drawn.pair.object),
                    quality=round(quality, 4),
                    status="negated",
                    rule=drawn.form.rule,
                )
                return None
        return Reason.UNFAITHFUL if scored else Reason.DOUBTFUL

    def _shuffled(
        self, scored: list[tuple[Candidate, float]], choice: random.Random
    ) -> Iterator[tuple[Candidate, float]]:
        """Yield the candidates in random order: pairs with a word by its weight, then evenly among their forms."""
        groups: dict[tuple[int, str], list[tuple[Candidate, float]]] = {}
        for made, quality in scored:
            groups.setdefault((made.number, made.form.word), []).append((made, quality))
        # Exponential keys with rates w sort as drawing one by one by weight w would.
        keys = {group: choice.expovariate(self.word_weights[group[1]]) for group in groups}
        for group in sorted(groups, key=keys.get):
            yield from sorted(groups[group], key=lambda _: choice.random())
