"""The rule-based backend: captions in, rows of the negation table out.

A row depends on nothing but the caption, its key and the seed, so order, slices and workers do not change it. Where
the chosen pair has no safe sentence the next one, in random order, takes its place; a caption whose pairs all fail is
refused with the reason of the pair that was chosen first.
"""

import random
from collections.abc import Iterable, Mapping

import spacy
from spacy.language import Language
from spacy.tokens import Doc

import pipeline_lib.captions.tagger.component  # noqa: F401 (registers the component)
from pipeline_lib.captions.rules import checks
from pipeline_lib.captions.rules.checks import Reason
from pipeline_lib.captions.rules.exclusion import exclusion
from pipeline_lib.captions.rules.relations import Relations, parse
from pipeline_lib.captions.rules.sentences import Sentence, sentences
from pipeline_lib.captions.table import NEGATION_WORDS, blank_row, choices, random_order
from pipeline_lib.clip.tokenizer import fits_clip
from pipeline_lib.formats.cc3m import Row


def load_tagger(name: str) -> Language:
    """Return the spaCy pipeline that tags captions.

    Parameters
    ----------
    name : str
        ``lexicon`` (nothing to download) or an installed pipeline for English such as ``en_core_web_sm``.

    Raises
    ------
    ValueError
        If the pipeline is not installed; the message has the command that installs it.
    """
    if name == "lexicon":
        tagger = spacy.blank("en")
        tagger.add_pipe("lexicon_tagger")
        return tagger
    try:
        return spacy.load(name, exclude=["ner"])
    except OSError as error:
        raise ValueError(
            f"the spaCy pipeline {name!r} is not installed; install it with `python -m spacy download {name}` "
            "or choose 'lexicon', which needs no download"
        ) from error


def parse_weights(text: str) -> dict[str, float]:
    """Read weights such as ``no=1,not=1,without=1``.

    Raises
    ------
    ValueError
        If a word is unknown, missing or given twice, or a weight is not a number above 0.
    """
    wanted = "expected a weight above 0 for each of no, not and without, such as no=1,not=1,without=1"
    parts = [part.partition("=") for part in text.split(",")]
    try:
        weights = {word.strip(): float(value) for word, _, value in parts}
    except ValueError as error:
        raise ValueError(f"{wanted}; found {text!r}") from error
    if sorted(weights) != sorted(NEGATION_WORDS) or len(parts) != 3 or not all(0 < w < 1e9 for w in weights.values()):
        raise ValueError(f"{wanted}; found {text!r}")
    return weights


class RuleBackend:
    """Negate captions by the rules of this package.

    Parameters
    ----------
    spacy_model : str
        See `load_tagger`.
    seed : int
        Seed of every choice, together with a caption's key.
    word_weights : mapping of str to float
        How often *no*, *not* and *without* are taken where several fit.
    """

    name = "rules"

    def __init__(self, spacy_model: str, seed: int, word_weights: Mapping[str, float]):
        self.tagger = load_tagger(spacy_model)
        self.spacy_model = spacy_model
        self.seed = seed
        self.word_weights = word_weights

    def negate(self, rows: Iterable[Row]) -> list[dict]:
        """Return one row of the negation table per row of the captions file, in order (see `table.SCHEMA`)."""
        return [self._negate(row) for row in rows]

    def _negate(self, row: Row) -> dict:
        result = blank_row(row, f"{self.name}:{self.spacy_model}", self.seed)
        reason = Reason(row.problem) if row.problem else checks.refuse_text(row.caption)
        if reason is None:
            doc = self.tagger(row.caption)
            relations = parse(doc)
            result["subject"] = _text(doc, relations.subject)
            result["pairs"] = [
                {"predicate": _text(doc, pair.predicate), "object": _text(doc, pair.object)} for pair in relations.pairs
            ]
            reason = checks.refuse_tagged(doc, relations)
            if reason is None:
                reason = self._form(doc, relations, row.key, result)
        result["reason"] = reason
        return result

    def _form(self, doc: Doc, relations: Relations, key: str, result: dict) -> Reason | None:
        """Fill `result` with the first sentence that passes the checks, pairs in random order; else return why not."""
        choice = choices(self.seed, key)
        order = random_order(len(relations.pairs), choice)
        refusal = None
        for number in order:
            pair = relations.pairs[number]
            if checks.quantified(doc, pair):
                refusal = refusal or Reason.QUANTIFIER
                continue
            options = sentences(doc, relations, pair)
            refusal = refusal or (Reason.UNFAITHFUL if options else Reason.NO_RULE)
            without = exclusion(doc, relations, pair)
            for made in self._ordered(options, choice):
                if checks.unfaithful(doc, pair, made.word, made.text, without) is None and fits_clip(made.text):
                    result.update(
                        chosen_pair=number,
                        negation_word=made.word,
                        negated_caption=made.text,
                        exclusion_caption=without,
                        object=_text(doc, pair.object),
                        status="negated",
                        rule=made.rule,
                    )
                    return None
        return refusal

    def _ordered(self, options: list[Sentence], choice: random.Random) -> list[Sentence]:
        """Shuffle the options: first by the weights of their words, then evenly among those with the same word."""
        by_word: dict[str, list[Sentence]] = {}
        for option in options:
            by_word.setdefault(option.word, []).append(option)
        ordered = []
        # Exponential keys with rates w sort the words as drawing them one by one by weight w would.
        for word in sorted(by_word, key=lambda word: choice.expovariate(self.word_weights[word])):
            ordered += sorted(by_word[word], key=lambda _: choice.random())
        return ordered


def _text(doc: Doc, span: tuple[int, int] | None) -> str | None:
    return doc[span[0] : span[1]].text if span else None
