"""What the structure of a caption says against it, or against one of its pairs, beyond `visibility`.

People who read negated captions strictly called those bad that are told in the past or of the future, that advise or
address a reader, that deny an event, a region, a time, an opinion, an aim or a plan, that deny a list, or that leave
words in the air which hang on what is denied. Such captions and pairs are left out here; where only the link fails to
show, the object alone can be denied. ``scenes.txt`` has the words.
"""

import re
from pathlib import Path

from pipeline_lib.captions.rules.chunks import FINITE, VERB_FORMS, WORDS, Caption, Pair, Span
from pipeline_lib.captions.rules.visibility import head_of, is_visible
from pipeline_lib.captions.tagger.lexicon import WORDS as TAGGER_WORDS
from pipeline_lib.captions.tagger.lexicon import in_lexicon, lexicon_tags
from pipeline_lib.formats.word_lists import read_word_lists

SCENES = read_word_lists(Path(__file__).with_name("scenes.txt"))
LIST = re.compile("(?:,n)*,?cn|,n,n|pn,?cn")
# After a noun phrase these make its end unclear: "the thumbs | up sign", "a show | pimped cars", "knot | detailing".
UNCLEAR_END = re.compile("r|Vn|G[.,c]|G$")
# So do an adjective between two nouns, and a dash after a noun: "the salon slow motion", "a chair - left".
UNCLEAR_NOUNS = re.compile("NA+N|N-[ACN]")
# What picture archives put behind a caption, and the words that it ends with.
ARCHIVE = re.compile(
    r"(?:\s+-+|\s*,|(?:\s+view)?\s+[io]n)?\s+(?:(?:stock )?photo #|stock photos?"
    r"|royalty(?: - | )?(?:free(?: stock \w+)?)?|vector art illustration|photo sharing website"
    r"|(?<=background )(?:photo|illustration|vector))$"
)
ARCHIVE_ENDS = ("#", "photo", "photos", "royalty", "free", "tion", "tions", "vector", "vectors", "images", "website")
ACTS = ("verb", "participle")
UNSEEN = SCENES.events | SCENES.regions
UNLOOKABLE = SCENES.unlookable | SCENES.placeholders
LABELS = SCENES.labels | WORDS.shots | WORDS.weather
ANIMATE = TAGGER_WORDS.animate | WORDS.people
NEVER_OUT_OF_SIGHT = WORDS.never_sights | WORDS.body | WORDS.pictures


def cut_heading(text: str) -> str:
    """Return a caption without a heading or end that names the picture: "photo : a dog - stock photo" -> "a dog"."""
    before, mark, after = text.partition(":")
    text = after.strip() if mark and after.strip() and before.strip().lower() in SCENES.headings else text
    return ARCHIVE.sub("", text) if text.endswith(ARCHIVE_ENDS) else text


def tells_no_picture(caption: Caption) -> bool:
    """Whether a caption is told of the future, advises, addresses a reader or opens with no phrase."""
    lower, tags = caption.lower, caption.tags
    if "MD" in tags or not SCENES.addressing.isdisjoint(lower) or lower[0] in ("#", "and"):
        return True
    if re.search("hR*v", caption.code):
        return True  # "has worn many hats"
    first = next((chunk.kind for chunk in caption.chunks if chunk.kind not in ",."), "n")
    return first in FINITE + "gBv"


def past_verb(caption: Caption) -> int | None:
    """Return the finite verb of a caption that is told in the past, or None."""
    first = next((chunk.start for chunk in caption.chunks if chunk.kind in FINITE), None)
    return first if first is not None and caption.tags[first] == "VBD" else None


def deniable(caption: Caption, pair: Pair) -> Pair | None:
    """Return a pair that can be denied, or None; of a link that hardly shows the object alone can, if it shows."""
    if not _is_thing(caption, pair.object) or _is_repeated(caption, pair) or not _ends_clearly(caption, pair):
        return None
    link, head = caption.lower[pair.predicate[1] - 1], caption.head(pair.object).lower()
    if pair.kind in ACTS and _is_activity(caption, pair):
        return None
    if pair.kind != "and" and LIST.match(caption.kinds_after(pair.object[1])[0]):
        # "wearing a hat and gloves": both, or one of them? "With no hat in sight" leaves the list out.
        aim = pair.kind == "preposition" and link in SCENES.absent_links | SCENES.goals
        hidden = aim or head in UNSEEN or not is_sight(caption, pair.object)
        return None if hidden else pair._replace(place="unseen")
    far = link in ("in", "at", "to", "into", "for")
    takes = pair.kind in ACTS and caption.lemmas[pair.predicate[0]] != "take"
    if (head in WORDS.pictures and (far or takes)) or (head == "camera" and (far or link == "of")):
        return None  # "poses for a photo", "smiles at the camera", "in front of the camera": it is not in the picture
    named = head in SCENES.stand_ins and caption.code[pair.object[0]] not in "DC"
    alike = link in ("as", "like") or "shape" in caption.lower[slice(*pair.predicate)]
    if alike or named or (link in ("in", "at") and head in WORDS.people):
        return None  # "looks like a cage", "dressed as a chef", "in the shape of a cat"; "in politician" (a name)
    praise = [i for i in range(pair.object[0], pair.object[1] - 1) if caption.lower[i] in SCENES.praise]
    if not praise and _is_link_deniable(caption, pair):
        return pair
    thing = pair._replace(object=(praise[-1] + 1, pair.object[1]), place="unseen") if praise else pair
    hidden = link in SCENES.absent_links or pair.kind in ("and", "with") or caption.code[pair.predicate[0]] == "b"
    return None if hidden or head in UNSEEN or not is_sight(caption, thing.object) else thing._replace(place="unseen")


def _is_activity(caption: Caption, pair: Pair) -> bool:
    """Whether a noun needs the act that follows: "mountain | biking on", "has her hair | brushed against"."""
    (first, stop), start = pair.owner, pair.predicate[0]
    activity = caption.lower[start] in SCENES.activities and caption.lower[stop - 1] not in ANIMATE
    bare = stop == start and first == 0 and caption.tags[stop - 1] == "NN" and caption.code[first] != "D"
    return (activity and bare) or (caption.code[start] == "V" and caption.lemmas[first - 1] in ("get", "have"))


def is_sight(caption: Caption, span: Span) -> bool:
    """Whether a noun phrase may be out of sight: "no beach in sight"; not "this beach", "the rear of a ship"."""
    opens = caption.code[span[0]] != "D" or caption.lower[span[0]] in ("a", "an", "the")
    known = in_lexicon(caption.lower[span[1] - 1]) and caption.tags[span[1] - 1] in ("NN", "NNS")  # no "berlin"
    plain = opens and known and "o" not in caption.code[slice(*span)] and is_visible(caption, span)
    return plain and caption.head(span).lower() not in NEVER_OUT_OF_SIGHT


def _is_link_deniable(caption: Caption, pair: Pair) -> bool:
    """Whether the denial of a pair's link shows, and leaves nothing in the air that hangs on what is denied."""
    if pair.kind in ACTS:
        # "holds her head" does not show well; "a frog sitting on a hand" does.
        own = caption.code[pair.predicate[1] - 1] not in "Ii" or caption.tags[pair.object[0]] == "PRP$"
        own = own or caption.head(pair.owner).lower() in WORDS.people
        return not (own and caption.head(pair.object).lower() in WORDS.body) and _is_act_deniable(caption, pair)
    if pair.kind == "preposition":
        return _is_place_deniable(caption, pair)
    return pair.kind != "and" or caption.head(pair.object).lower() not in UNSEEN


def _is_thing(caption: Caption, span: Span) -> bool:
    """Whether one could look for what a noun phrase names."""
    start, stop = span
    last = stop - 1
    head, lemma = caption.lower[last], caption.lemmas[last].lower()
    if caption.lower[start - 1] == "to" and stop - start == 1 and caption.tags[start] == "NN":
        return False  # "goes to meet a monster"
    if not SCENES.ordinals.isdisjoint(caption.lower[start:stop]):
        return False  # "the first day", "the same room"
    if {head, lemma} & UNLOOKABLE and not caption.is_compound(last):
        return False  # "a site", but not "a building site"
    if lemma in SCENES.periods and caption.lower[start - 1 : last + 1] != ["at", "night"]:
        return False
    if {head, lemma} & LABELS and caption.code[last - 1] == "N" and last > start:
        return False  # "a white background illustration", "a piano sunset"
    if caption.code[last] == "A" and caption.code[start] != "D":
        return False  # "isolated on white"
    return caption.tags[last] not in ("VB", "VBN", "VBD", "RB", "NNP", "NNPS")  # nor could one see a name


def _ends_clearly(caption: Caption, pair: Pair) -> bool:
    """Whether a pair's object is sure to be whole, opens no list, and nothing else is in it."""
    span = start, stop = pair.object
    kinds, spans = caption.kinds_after(stop)
    if pair.kind != "and" and kinds[:2] == "cR":
        return False
    if UNCLEAR_END.match(kinds) or UNCLEAR_NOUNS.search(caption.code, start, stop):
        return False
    if (kinds[:1] == "n" and caption.code[stop] != "P") or caption.lower[stop : stop + 1] in (["up"], ["of"]):
        return False  # "draws a crowd | every time", "gives the thumbs | up sign"
    if kinds[:2] == "Gn" and "JJ" in lexicon_tags(caption.lower[stop - 1]) and _is_name(caption, span, spans[1]):
        return False  # "with a special | baking dish"
    made = re.search("NV+N", caption.code[start:stop])
    return made is None or caption.lemmas[start + made.start() + 1] in WORDS.equipping | {"draw", "shape"}


def _is_name(caption: Caption, span: Span, after: Span) -> bool:
    """Whether a phrase, an -ing form and a bare noun may be one name: "red brick | paving | stones"."""
    is_bare = after[1] - after[0] == 1 and caption.code[after[0]] == "N" and caption.tags[span[1] - 1] == "NN"
    return is_bare and caption.head(span).lower() not in TAGGER_WORDS.animate | WORDS.people | WORDS.pictures


def _is_repeated(caption: Caption, pair: Pair) -> bool:
    """Whether the object's noun stands elsewhere too: "riding on a horse , horse and outdoor"."""
    head = caption.head(pair.object)
    return sum(chunk.kind == "n" and caption.head(chunk.span) == head for chunk in caption.chunks) > 1


def _is_place_deniable(caption: Caption, pair: Pair) -> bool:
    word, head = caption.lower[pair.predicate[0]], caption.head(pair.object).lower()
    stop = pair.object[1]
    if caption.code[pair.predicate[0] - 1] in "Vv":
        return False  # "isolated | on a background"
    if word in ("against", "between") and head in SCENES.opponents | WORDS.people:
        return False
    if word in SCENES.goals or (word == "during" and head not in WORDS.weather):
        return False
    about = caption.lemmas[head_of(caption, pair.object)]
    if not {head, about, caption.lower[stop - 1]}.isdisjoint(SCENES.events | SCENES.regions):
        return False
    if head in TAGGER_WORDS.calendar or re.match("c[GgZBVp]", caption.kinds_after(stop)[0]):
        return False
    if word in ("in", "at", "on") and (head == "person" or not in_lexicon(caption.lower[stop - 1])):
        return False  # nor does a name show
    owner = caption.head(pair.owner).lower()
    return not (owner in ("view", "cityscape", "display", "skyline") and word in ("from", "over", "of", "at"))


def _is_act_deniable(caption: Caption, pair: Pair) -> bool:
    start, stop = pair.predicate
    code, lemmas, tags = caption.code, caption.lemmas, caption.tags
    acts = [i for i in range(start, stop) if code[i] in VERB_FORMS and lemmas[i] not in ("be", "have", "do")]
    if acts and any(code[i] in "RA" and caption.lower[i] != "live" for i in range(acts[0] + 1, stop)):
        return False  # "walks alone in a forest": neither may be false
    if code[start - 1 : start] == "E":
        return True  # "there is | a dog"
    if code[start] == "b" and not acts:
        link = code[stop - 1] in "Ii" and code[start + 1 : stop].strip("RrIi") == ""
        place = pair._replace(kind="preposition", predicate=(stop - 1, stop))
        return link and _is_place_deniable(caption, place)
    if any(lemmas[i] in SCENES.unacted for i in acts) or code[start:stop].count("T"):
        return False
    first = acts[0] if acts else start
    if pair.kind == "participle" and stop == start + 1 and _is_name(caption, pair.owner, pair.object):
        return False
    if caption.lower[stop - 1] == "against" and caption.head(pair.object) in SCENES.opponents | WORDS.people:
        return False
    is_event = code[stop - 1] not in "Ii" and caption.head(pair.object).lower() in SCENES.events
    if is_event or code[stop - 2 : stop] == "GG":
        return False  # "celebrates | a birthday", "wearing boxing | gloves"
    if (
        pair.kind == "participle"
        and tags[first] in ("VBN", "VBD")
        and (lemmas[first] in TAGGER_WORDS.finite_past or code[stop - 1] not in "Ii" or _is_cause(caption, pair, first))
    ):
        return False  # "an actor not stayed", "soldiers not set up barbed wire", "a tree not blown over by a storm"
    if code[stop - 1] in "Ii":
        heads = {caption.head(pair.object).lower(), caption.lemmas[head_of(caption, pair.object)]}
        head = caption.head(pair.object).lower()
        unseen = not heads.isdisjoint(UNSEEN) or caption.lower[stop - 1] in ("after", "before")
        unseen = unseen or (caption.lower[stop - 1] == "during" and head not in WORDS.weather)
        if unseen or (tags[first] == "VBN" and caption.lower[stop - 1] == "for"):
            return False  # "arrives at a premiere", "designed for a pocket"
    if lemmas[first] in ("look", "feel", "seem") and "A" in code[first : pair.object[1]]:
        return False  # "looks handsome in a suit"
    return not _leaves_tail(caption, pair)


def _is_cause(caption: Caption, pair: Pair, act: int) -> bool:
    """Whether an object is what did something, and no part of what shows: "rocks revealed by low tide"."""
    is_by, head = caption.lower[pair.predicate[1] - 1] == "by", caption.head(pair.object).lower()
    return is_by and head not in ANIMATE and caption.lemmas[act] not in WORDS.equipping


def _leaves_tail(caption: Caption, pair: Pair) -> bool:
    """Whether words follow that hang on a denied act: ", giving ...", "to do a project", "and holding a book"."""
    kinds, _ = caption.kinds_after(pair.object[1])
    if kinds[:2] in (",G", ",g", ",T") or kinds[:1] == "T" or re.match("cp", kinds) or re.search("cR?[ZGgBV]", kinds):
        return True
    clause = re.search(r"[c,]n[RM]?[bhdMZ]", kinds)
    return clause is not None  # a second sentence
