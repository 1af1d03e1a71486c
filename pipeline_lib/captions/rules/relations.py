"""Relation parsing: a tagged caption becomes a subject and predicate-object pairs (paper section 3, step 1).

The paper asks a language model for them. Here a caption is first cut into `chunks`, which a small state machine
(`_PairReader`) reads from left to right; `visibility` says which of the pairs can be negated. Only ``tag_`` and
``lemma_`` are read, so any spaCy pipeline for English serves. Where it parses dependencies too, the parse decides which
word owns a phrase.

    "a boy in a cape runs across the green field"
    -> subject "a boy"; pairs (in, a cape), (runs across, the green field)

A phrase with *of* belongs to its noun ("a view of a desert"). A pair that starts inside a subordinate clause is left
out, because the caption does not say it of the picture.
"""

from spacy.tokens import Doc, Token

from pipeline_lib.captions.rules.chunks import (
    FINITE,
    PARTICIPLES,
    VERB_FORMS,
    WORDS,
    Caption,
    Chunk,
    Pair,
    cut,
)
from pipeline_lib.captions.rules.scenes import SCENES, deniable
from pipeline_lib.captions.rules.visibility import is_visible, negatable_pairs
from pipeline_lib.captions.tagger.lexicon import WORDS as TAGGER_WORDS

# Dependencies of prepositions: Universal Dependencies (the preposition hangs on the noun) and spaCy's own scheme (the
# noun hangs on the preposition) both serve.
LINKS = frozenset(["prep", "agent", "case", "pcomp", "dative"])


def parse(doc: Doc) -> Caption:
    """Find the subject and the predicate-object pairs of a tagged caption."""
    caption = cut(doc)
    caption.subject = next((chunk.span for chunk in caption.chunks if chunk.kind == "n"), None)
    pairs = _PairReader(caption).read()
    if doc.has_annotation("DEP"):
        pairs = _attach(caption, pairs)
    caption.told = negatable_pairs(caption, pairs)
    caption.pairs = [pair for told in caption.told if (pair := deniable(caption, told))]
    return caption


class _PairReader:
    """Reads the chunks of a caption from left to right; at each, `owner`, `verb_seen` and `aside` are the state."""

    def __init__(self, caption: Caption):
        self.caption, self.chunks = caption, caption.chunks
        self.pairs: list[Pair] = []
        self.at = 0  # the chunk that is read
        self.owner: Chunk | None = None  # the noun phrase that the next phrase most likely belongs to
        self.verb_seen = False
        self.aside = False  # inside what is not said of the picture

    def read(self) -> list[Pair]:
        """Return every pair that the caption says of the picture."""
        while self.at < len(self.chunks):
            self._step(self.chunks[self.at], self.chunks[self.at - 1].kind if self.at else ".")
            self.at += 1
        return [pair for pair in self.pairs if pair.owner]

    def _step(self, chunk: Chunk, before: str) -> None:
        """Read the chunk at `at`, and as many more as belong to it; `before` is the kind of the chunk before it."""
        kind = chunk.kind
        if kind == ".":
            self.owner, self.verb_seen, self.aside = None, False, False
        elif kind == ",":
            self.aside = False
        elif self.aside or self._goes_aside(chunk, before):
            self.aside = True
        elif kind in "En":  # E: "there is | a dog"
            self.owner = chunk
        elif kind == "c" and before == "n" and self._kind_after() == "n" and not self._is_plural_subject():
            self._add("and", chunk, self.at + 1, "later" if self.verb_seen else "first")
            self._move_to(self.at + 1)
        elif kind == "p":
            self._read_preposition(chunk, before)
        elif self._is_first_act(chunk):
            self.owner, self.verb_seen = chunk, True  # "walking | on | a beach"
        elif kind in VERB_FORMS:
            self._read_verb(chunk, before)

    def _goes_aside(self, chunk: Chunk, before: str) -> bool:
        """Whether a subordinate clause or a phrase before the subject starts here."""
        match chunk.kind:
            case "S":
                return True
            case "p":  # "in the park , a girl ...": nothing before the comma belongs to the subject
                return before == "." or opens_clause(self.caption, self.at)
            case "W":
                return before == "p"  # "a crown , in which stones alternate ..."
            case "n":  # "the largest one i saw": a relative clause without its pronoun
                return before == "n" and self.caption.tags[chunk.start] in ("PRP", "EX")
        return False

    def _read_preposition(self, chunk: Chunk, before: str) -> None:
        caption, word = self.caption, self.caption.lower[chunk.start]
        leads_to_noun = self._kind_after() == "n"
        if leads_to_noun and before not in "RApED" and self._is_negatable(chunk):
            place = self._place(before)
            if word in ("between", "among") and self._kind_after(2) == "c" and self._kind_after(3) == "n":
                both = Chunk("n", self.chunks[self.at + 1].start, self.chunks[self.at + 3].stop)
                self.chunks[self.at + 1 : self.at + 4] = [both]
            self._add("with" if word == "with" else "preposition", chunk, self.at + 1, place)
        self.verb_seen = self.verb_seen or before in "AR"
        if leads_to_noun:
            owner = self.owner if self.owner and _is_idiom(caption, self.at) else self.chunks[self.at + 1]
            self._move_to(self.at + 1)
            self.owner = owner  # "crabs for sale | on a beach"

    def _is_first_act(self, chunk: Chunk) -> bool:
        phrasal = self.caption.lemmas[chunk.start] in WORDS.phrasal
        return self.at == 0 and chunk.kind in "Gg" and self._kind_after() == "p" and not phrasal

    def _read_verb(self, chunk: Chunk, before: str) -> None:
        end = self._object()
        self.aside = self._is_said_of_something_else(chunk, before)
        if end and chunk.kind in PARTICIPLES and self._names_object(end):
            self.aside = self.owner is None  # "watching the sunset makes people happy"
        elif end is not None and not self.aside and chunk.kind not in "Bv" and before != "p":
            kind = "participle" if chunk.kind in PARTICIPLES else "verb"
            if kind == "participle" and before in ",c" and end == self.at + 1 and self._describes(end):
                self._move_to(end)
                return
            self._add(kind, chunk, end, "comma" if before == "," else "first")
        self.verb_seen = True
        if end is not None:
            self._move_to(end)
            return
        while self._kind_after() in "RrTBGgVvA":
            self.at += 1

    def _is_said_of_something_else(self, chunk: Chunk, before: str) -> bool:
        """Whether a finite verb is none of the picture's: "she says that ...", "new look : wears a hat"."""
        if chunk.kind not in FINITE:
            return False
        first_comma = before == "," and sum(earlier.kind == "," for earlier in self.chunks[: self.at]) == 1
        return (
            (self.owner is None and before != "E")
            or self.caption.lemmas[chunk.start] in WORDS.reporting
            or (first_comma and not self.verb_seen)
        )

    def _kind_after(self, places: int = 1) -> str:
        return _kind(self.chunks, self.at + places)

    def _move_to(self, at: int) -> None:
        self.at, self.owner = at, self.chunks[at]

    def _add(self, kind: str, link: Chunk, to: int, place: str) -> None:
        predicate = (link.start, self.chunks[to - 1].stop)
        self.pairs.append(Pair(kind, predicate, self.chunks[to].span, self.owner and self.owner.span, place))

    def _place(self, before: str) -> str:
        if before == ",":
            return "comma"
        is_object = self.owner is not None and any(pair.object == self.owner.span for pair in self.pairs)
        return "later" if self.verb_seen or is_object else "first"

    def _is_plural_subject(self) -> bool:
        """Whether "A and B" is the subject of a finite verb, which would have to change its number without B."""
        if self.verb_seen:
            return False
        for j, chunk in enumerate(self.chunks[self.at + 2 :], start=self.at + 3):
            if chunk.kind in ".SW" or (chunk.kind == "," and _kind(self.chunks, j) not in FINITE):
                return False
            if chunk.kind in FINITE:
                return True
        return False

    def _is_negatable(self, chunk: Chunk) -> bool:
        """Whether a preposition with its noun phrase says something of its own of the picture."""
        caption, i = self.caption, self.at
        if caption.words(chunk.span) in WORDS.skipped_prepositions:
            return False
        if _is_idiom(caption, i):
            return False
        if self._kind_after(2) == "c" and self._kind_after(3) not in "nbhdMZGgV.p":
            return False  # "on stage and indoor"
        if i == 0 or self.chunks[i - 1].kind != "n" or (i > 1 and _is_idiom(caption, i - 2)):
            return True
        return caption.head(self.chunks[i - 1].span) not in WORDS.complement_heads

    def _object(self) -> int | None:
        """Return the index of the noun phrase that the verb form leads to, or None.

        Adverbs, particles, adjectives after *be*, infinitives, participles and two prepositions may lie between, and
        what no picture shows: "makes her way through | the snow".
        """
        j, prepositions = self.at + 1, 0
        while (kind := _kind(self.chunks, j)) in "RrTBGgVvAdhpn":
            following = _kind(self.chunks, j + 1)
            if kind == "n":
                leads_on = following == "p" and _kind(self.chunks, j + 2) == "n"
                moves = leads_on and self.caption.lower[self.chunks[j + 1].start] in SCENES.motions
                if not moves or is_visible(self.caption, self.chunks[j].span):
                    return j
            if kind == "T" and following != "B":
                return None
            if kind == "p":
                prepositions += 1
                if prepositions > 2 or opens_clause(self.caption, j):
                    return None
            j += 1
        return None

    def _names_object(self, end: int) -> bool:
        """Whether a participle and its object are a name: "ribbon cutting ceremony was", "road racing cyclist"."""
        if _kind(self.chunks, end + 1) in FINITE:
            return True
        start, stop = self.chunks[end].span
        single = stop - start == 1 and end == self.at + 1
        return (
            single
            and self.caption.lower[start] in TAGGER_WORDS.animate
            and not self._is_owner_animate(without_owner=True)
        )

    def _describes(self, end: int) -> bool:
        """Whether a participle after a comma or *and* describes the noun after it: "crystals , glittering beads"."""
        is_bare = self.caption.tags[self.chunks[end].start] not in ("DT", "PRP$", "PRP", "CD")
        return is_bare and not self._is_owner_animate(without_owner=False)

    def _is_owner_animate(self, without_owner: bool) -> bool:
        if self.owner is None:
            return without_owner
        return self.caption.head(self.owner.span).lower() in TAGGER_WORDS.animate


def _kind(chunks: list[Chunk], i: int) -> str:
    return chunks[i].kind if i < len(chunks) else "."


def opens_clause(caption: Caption, i: int) -> bool:
    """Whether the preposition that is chunk `i` is a conjunction: "as person walks ...", "after she won ..."."""
    word = caption.lower[caption.chunks[i].start]
    if word not in WORDS.conjunctions:
        return False
    following = "".join(_kind(caption.chunks, j) for j in range(i + 1, i + 5))
    if following[0] != "n":
        return False
    if following[1:3] == "cn" and following[3] in FINITE:
        return True
    return following[1] in FINITE or (word in ("after", "as", "before") and following[1] == "V")


def _is_idiom(caption: Caption, i: int) -> bool:
    """Whether chunk `i` is a preposition that makes a set phrase with its noun: "for sale", "in love"."""
    chunk = caption.chunks[i]
    return chunk.kind == "p" and caption.words((chunk.start, caption.chunks[i + 1].stop)) in WORDS.idioms


def governor(caption: Caption, pair: Pair) -> Token:
    """Return the noun or verb on which the pair's object hangs in the dependency parse, outside its preposition."""
    token = caption.doc[slice(*pair.object)].root
    while token.head.i != token.i:
        token = token.head
        if token.dep_ not in LINKS:
            break
    return token


def _attach(caption: Caption, pairs: list[Pair]) -> list[Pair]:
    """Return the pairs with the owners of the dependency parse, without those whose object is another verb's.

    "a man eats fish in a kitchen": in | a kitchen belongs to "eats", and not to "fish".
    """
    kept = []
    for pair in pairs:
        if pair.kind == "and":
            kept.append(pair)
            continue
        at = governor(caption, pair).i
        if pair.kind in ("preposition", "with"):
            kept.append(_with_owner(caption, pair, at))
        elif any(start <= at < stop for start, stop in (pair.predicate, pair.object)):
            kept.append(pair)  # in the object, it is the root of the sentence: "is | a replica"
    return kept


def _with_owner(caption: Caption, pair: Pair, at: int) -> Pair:
    """Return the pair as belonging to the noun phrase that holds token `at`, or to a verb where none does."""
    owner = next((chunk.span for chunk in caption.chunks if chunk.kind == "n" and chunk.start <= at < chunk.stop), None)
    if owner is None:
        return pair._replace(place="later") if pair.place == "first" else pair
    adjacent = owner[1] == pair.predicate[0]
    return pair._replace(owner=owner, place=pair.place if pair.place == "comma" else "first" if adjacent else "later")
