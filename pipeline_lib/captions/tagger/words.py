"""Function words that the lexicon tagger reads: the closed classes of English, and what ambiguous ones usually are.

LemmInflect's lexicon says which parts of speech a word can have, never which one is usual. `CLOSED` and `AMBIGUOUS`
list the function words by hand, with tags and costs as in `costs`; `usual` has the open-class words.
"""


def word_set(text: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(text.split())


CLOSED = {
    "DT": "the a an this these those every each some any all both either neither no another half",
    "PRP": "i u you he she it we they me him us them myself yourself himself herself itself ourselves themselves mine "
    "yours hers ours theirs none",
    "NN": "someone somebody something anyone anybody anything everyone everybody everything nobody nothing",
    "PRP$": "my your his its our their",
    "MD": "can could may might must shall should will would ca wo 'll ll 'd cannot ought",
    "BE": "is are was were am 're 'm m r",
    "BEN": "been being",
    "HV": "has had have 've ve",
    "DO": "does did do",
    "CC": "and or nor & but plus",
    "IN": "of in on at by for from with about against during without within toward towards among amongst beneath "
    "beside besides between beyond despite except into onto per throughout underneath unlike until till upon "
    "via amid amidst atop alongside inside outside behind below above under near across along around over "
    "through past off up down as like than after before since while whilst because if although though whereas unless"
    " whether out opposite",
    "WDT": "which who whom whose what whatever whoever whichever",
    "WRB": "when where why how whenever wherever",
    "RB": "not n't nt never very too also just only even still already always often here now then again soon ever "
    "quite rather almost instead maybe perhaps however thus therefore really so as there away together apart aside "
    "ahead once twice yet else sometimes today tomorrow yesterday tonight back forever far later indeed anyway alone "
    "upstairs onstage "
    "downstairs overhead outdoors indoors sideways forth hence n’t",
    "JJ": "many few several much such other own last next first second third fourth fifth sixth seventh eighth ninth "
    "tenth same various certain different",
    "JJR": "more less fewer",
    "JJS": "most least",
    "CD": "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million "
    "billion "
    "dozen",
    "UH": "oh hello hi wow yes yeah hey please pls plz thanks lol ah hmm eh huh uh yum ugh yay hurray bye goodbye",
    "TO": "to",
    "EX": "",
}

# Names that captions write in lower case.
CALENDAR = word_set(
    "monday tuesday wednesday thursday friday saturday sunday january february april june july september october "
    "november december"
)
NAMES = CALENDAR | word_set(
    "al london paris france england china japan germany italy spain vietnam canada mexico australia"
)

# Function words with more than one tag, each with the cost of taking it.
AMBIGUOUS = {
    "that": {"WDT": 0.6, "DT": 0.4, "IN": 0.8},
    "her": {"PRP$": 0.0, "PRP": 0.6},
    "his": {"PRP$": 0.0, "PRP": 3.0},
    "'s": {"POS": 0.0, "BE": 0.6},
    "’s": {"POS": 0.0, "BE": 0.6},
    "'": {"POS": 0.5, "``": 0.5},
    "there": {"EX": 0.0, "RB": 0.7},
    "up": {"RP": 0.0, "IN": 0.6, "NN": 9.0},  # in "close up"
    "down": {"RP": 0.2, "IN": 0.4},
    "off": {"RP": 0.0, "IN": 0.4},
    "out": {"RP": 0.0, "IN": 0.4},
    "over": {"IN": 0.0, "RP": 1.0},
    "around": {"IN": 0.0, "RB": 0.8},
    "through": {"IN": 0.0, "RP": 1.4},
    "along": {"IN": 0.0, "RB": 1.0},
    "across": {"IN": 0.0, "RB": 1.4},
    "by": {"IN": 0.0, "RP": 2.0},
    "in": {"IN": 0.0, "RP": 1.2},
    "on": {"IN": 0.0, "RP": 1.2},
    "inside": {"IN": 0.0, "RB": 0.8, "NN": 1.6},
    "outside": {"IN": 0.0, "RB": 0.8, "JJ": 1.6, "NN": 2.0},
    "behind": {"IN": 0.0, "RB": 1.2},
    "below": {"IN": 0.0, "RB": 0.6},
    "above": {"IN": 0.0, "RB": 0.6},
    "under": {"IN": 0.0, "RB": 1.6},
    "near": {"IN": 0.0, "RB": 1.6, "JJ": 1.6},
    "past": {"IN": 0.2, "NN": 0.6, "JJ": 0.6},
    "opposite": {"IN": 0.5, "JJ": 0.2, "NN": 1.0},
    "like": {"IN": 0.0, "VB": 1.2, "VBP": 1.2},
    "before": {"IN": 0.0, "RB": 1.2},
    "after": {"IN": 0.0, "RB": 2.0},
    "since": {"IN": 0.0, "RB": 2.5},
    "so": {"RB": 0.0, "IN": 0.8},
    "as": {"IN": 0.2, "RB": 0.3},
    "then": {"RB": 0.0},
    "one": {"CD": 0.0, "NN": 1.0, "PRP": 1.2},
    "no": {"DT": 0.0, "UH": 1.0},
    "all": {"DT": 0.0, "RB": 1.5},
    "back": {"NN": 0.3, "RB": 0.2, "JJ": 0.8, "VB": 2.0, "VBP": 2.5},
    "second": {"JJ": 0.0, "NN": 0.8},
    "first": {"JJ": 0.0, "RB": 1.0},
    "last": {"JJ": 0.0, "VB": 2.0, "VBP": 2.2},
    "next": {"JJ": 0.0, "RB": 1.0},
    "more": {"JJR": 0.0, "RBR": 0.4},
    "most": {"JJS": 0.0, "RBS": 0.4},
    "less": {"JJR": 0.0, "RBR": 0.4},
    "least": {"JJS": 0.0, "RBS": 0.6},
    "much": {"JJ": 0.2, "RB": 0.2},
    "own": {"JJ": 0.0, "VB": 1.0, "VBP": 1.0},
    "can": {"MD": 0.0, "NN": 1.5},
    "may": {"MD": 0.0, "NNP": 1.5},
    "might": {"MD": 0.0, "NN": 2.5},
    "will": {"MD": 0.0, "NN": 2.0},
    "must": {"MD": 0.0, "NN": 2.5},
    "what": {"WDT": 0.0, "DT": 1.5},
    "had": {"HV": 0.0, "VBN": 1.5},
    "have": {"HV": 0.0, "VB": 0.6},
    "do": {"DO": 0.0, "VB": 0.6},
    "be": {"VB": 0.0},
    "having": {"VBG": 0.0},
    "doing": {"VBG": 0.0},
    "done": {"VBN": 0.0, "JJ": 1.5},
    "here": {"RB": 0.0},
    "well": {"RB": 0.2, "NN": 1.0, "UH": 0.8, "JJ": 1.5},
    "pretty": {"JJ": 0.0, "RB": 0.8},
    "close": {"JJ": 0.4, "RB": 0.4, "VB": 0.8, "VBP": 1.4, "NN": 1.4},
    "front": {"NN": 0.0, "JJ": 0.4},
    "each": {"DT": 0.0},
    "other": {"JJ": 0.0, "NN": 1.2},
    "today": {"NN": 0.4, "RB": 0.4},
    "alone": {"RB": 0.0, "JJ": 0.6},
    "away": {"RB": 0.0},
    "together": {"RB": 0.0},
    "home": {"NN": 0.0, "RB": 0.7},
    "hundreds": {"NNS": 0.0},
    "thousands": {"NNS": 0.0},
    "dozens": {"NNS": 0.0},
    "set": {"NN": 0.4, "VBN": 0.5, "VBD": 1.0, "VB": 1.0, "VBP": 1.4},
    "left": {"VBN": 0.6, "VBD": 0.6, "JJ": 0.5, "NN": 0.7},
    "closeup": {"NN": 0.0},
    "selfie": {"NN": 0.0},
    "worth": {"JJ": 0.0},
    "ok": {"JJ": 0.2, "UH": 0.2},
    "okay": {"JJ": 0.2, "UH": 0.2},
    "straight": {"JJ": 0.2, "RB": 0.3},
    "vs": {"CC": 0.0},
    "versus": {"CC": 0.0},
    "due": {"JJ": 0.0},
    "aerial": {"JJ": 0.0},
    "wildlife": {"NN": 0.0},
    "including": {"IN": 0.0},
    "featuring": {"VBG": 0.0},
    "wearing": {"VBG": 0.0},
    "according": {"VBG": 0.0},
    "based": {"VBN": 0.0},
    "wooden": {"JJ": 0.0},
    "thing": {"NN": 0.0},
    "clothing": {"NN": 0.0},
    "evening": {"NN": 0.0},
    "morning": {"NN": 0.0},
    "ceiling": {"NN": 0.0},
    "wedding": {"NN": 0.0},
    "during": {"IN": 0.0},
    "building": {"NN": 0.0, "VBG": 1.0},
    "painting": {"NN": 0.0, "VBG": 0.8},
    "buildings": {"NNS": 0.0},
    "living": {"JJ": 0.3, "VBG": 0.5, "NN": 0.8},
    "attached": {"VBN": 0.0, "VBD": 0.8},
    "said": {"VBD": 0.0, "VBN": 0.5},
    "looking": {"VBG": 0.0, "JJ": 3.0},
    "full": {"JJ": 0.0},
    "free": {"JJ": 0.0, "RB": 0.9, "VB": 1.2, "VBP": 1.4},
    "sets": {"NNS": 0.4, "VBZ": 0.3},
    "surrounding": {"VBG": 0.3, "JJ": 0.3},
    "following": {"VBG": 0.0},
    "amazing": {"JJ": 0.0},
    "interesting": {"JJ": 0.0},
    "stunning": {"JJ": 0.0},
    "shot": {"NN": 0.2, "VBN": 0.6, "VBD": 0.6},
    "look": {"NN": 0.5, "VB": 0.0, "VBP": 0.1},
    "s": {"POS": 0.3, "BE": 0.6, "NN": 1.5},
    "about": {"IN": 0.0, "RB": 0.9},
    "pm": {"NN": 0.0},
    "am": {"BE": 0.0, "NN": 1.0},
    "thanks": {"NNS": 0.0, "UH": 1.0},
    "best": {"JJS": 0.0, "RBS": 0.5},
    "better": {"JJR": 0.0, "RBR": 0.6},
    "charming": {"JJ": 0.0},
    "ago": {"RB": 0.0},
    "enough": {"JJ": 0.2, "RB": 0.4},
    "forward": {"RB": 0.0, "VB": 1.0, "JJ": 1.0},
    "online": {"RB": 0.2, "JJ": 0.2},
    "overall": {"JJ": 0.2, "RB": 0.3},
    "longtime": {"JJ": 0.0},
    "btw": {"RB": 0.0},
    "east": {"NN": 0.2, "RB": 0.5, "JJ": 0.2},
    "west": {"NN": 0.2, "RB": 0.5, "JJ": 0.2},
    "north": {"NN": 0.2, "RB": 0.5, "JJ": 0.2},
    "south": {"NN": 0.2, "RB": 0.5, "JJ": 0.2},
}

# Prepositions that are adverbs where no noun phrase follows.
ALSO_ADVERBS = word_set(
    "out in on up down off over around along across inside outside behind below above under near past before after "
    "since through by about throughout"
)

# "next to water", "the road to town": here *to* is a preposition and no infinitive follows.
BEFORE_A_PREPOSITION = word_set(
    "next close due adjacent thanks according prior similar attached leads leading lead goes walks walking road"
    " trip door access view closer front back head similar opposed tied connected belongs listening listens walk "
    "route returning returned returns return come comes coming came heading headed heads belonging"
)
# "the way to go", "the way to school": here *to* may be either.
BEFORE_EITHER_TO = word_set("way ways")

# Subject pronouns with a plural verb; verbs that a base form follows.
PLURAL_SUBJECTS = word_set("i you we they")
HELPING = word_set("helps help helped let lets")
LETTING = HELPING | word_set("make makes made see sees watch watches")
