"""Words and phrases that relation parsing, sentence formation and the checks read."""

from pipeline_lib.captions.words import word_set

# Prepositions of several words, by their first word; the longest first.
_COMPLEX = (
    "in front of|in the middle of|in the center of|in the centre of|in the shape of|in the form of|in the style of|"
    "in the back of|in the corner of|in the direction of|on the side of|on the edge of|on the top of|on the back of|"
    "on the bank of|on the banks of|on the shore of|on the shores of|on the front of|on the outskirts of|at the end of|"
    "at the foot of|at the top of|at the bottom of|at the edge of|at the base of|by the side of|next to|close to|"
    "on top of|on board|out of|because of|along with|together with|due to|instead of|as well as|in addition to|"
    "such as|according to|ahead of|away from|apart from|in honor of|in honour of|in memory of|in support of|"
    "in search of|in need of|in charge of|in spite of|on behalf of|prior to|up to|inside of|outside of|near to"
)
COMPLEX_PREPOSITIONS: dict[str, list[tuple[str, ...]]] = {}
for _preposition in sorted(_COMPLEX.split("|"), key=len, reverse=True):
    _first, *_rest = _preposition.split()
    COMPLEX_PREPOSITIONS.setdefault(_first, []).append(tuple(_rest))

# No pair starts with these: what follows is a cause, a comparison, an example or a measure.
_SKIPPED = (
    "of|as|like|unlike|than|per|via|despite|except|besides|including|such as|because of|due to|instead of|as well as|"
    "according to|in spite of|prior to|up to|in addition to|on behalf of|till|until|since|about|to|out|up|down|off|"
    "apart from|in the form of|in search of|in need of"
)
SKIPPED_PREPOSITIONS = frozenset(_SKIPPED.split("|"))
SUBORDINATORS = word_set(
    "because although though whereas unless whether while if once when where why how whenever wherever whilst"
)

# Nouns that name the picture and not what is in it.
PICTURES = word_set(
    "photo photograph photography picture image view shot portrait illustration painting drawing sketch vector scene "
    "silhouette closeup close-up panorama footage video clip render rendering graphic icon cartoon print"
)

# Verbs whose -ing form before a noun describes it ("smiling woman") and does not take it as an object.
INTRANSITIVE = word_set(
    "smile laugh sleep run fall rise set grow cry jump walk shine glow swim sit stand hang float burn dance stare "
    "live wait fly kneel crouch lie sail travel arrive appear bloom blossom boil sparkle flow rest relax emerge "
    "exist greet record slide train glide gather lean march melt rotate spin work charm amaze stun interest "
    "surround follow shop dine wed hike camp fish"
)
# Prepositions that are conjunctions where a clause follows.
CONJUNCTIONS = word_set("as after before until till since like than for")

# Words that negate already, or nearly; a second negation would be a puzzle.
NEGATIONS = word_set(
    "no not n't n’t never without none nobody nothing nowhere neither nor cannot cant dont doesnt didnt isnt wasnt "
    "wont hardly barely scarcely seldom rarely unable lacking lacks devoid minus except"
)
# "Some people do not run" does not contradict "some people run".
QUANTIFIERS = word_set("all every each both some most any few only half either enough")
# Dropped where *no* or *without* takes their place: "without many trees" would be true of a picture with two.
INDEFINITES = word_set("a an some any several many few various numerous two three four five six seven eight nine ten")
# What may or might be so is not contradicted by "may not".
UNCERTAIN_MODALS = word_set("may might could would 'd shall ought")
# Verbs whose object takes *no* as readily as the verb takes *not*: "a man wearing no hat".
HAVING = word_set("have wear hold carry contain show feature include display use see bear offer")
# Heads of "X of A and B" that need both.
TOGETHER = word_set("combination mix mixture blend pair contrast relationship balance between both couple")
# Places within the picture that belong to the thing before them, as "a mountain in the distance".
SCENERY = word_set("background distance foreground sky middle center centre")
# An exclusion caption that ends with one of these has lost its end.
DANGLING = word_set(
    "a an the and or but of in on at with by to for from is are was were be not that which who into his her its their "
    "has have had as over under while &"
)
# Phrases that are no place, time or companion.
IDIOMS = word_set(
    "in_case in_mind for_sale in_fact at_least at_last for_example for_instance at_all in_general in_particular "
    "at_once in_order by_hand for_free in_time on_time in_progress in_action at_first in_advance for_sure by_far "
    "on_sale in_use for_real in_love in_public at_risk in_bloom in_full in_place in_person in_connection by_side "
    "on_display in_detail at_ease"
)
# Nouns whose preposition cannot be negated away from them: "a look at", "a guide to".
COMPLEMENT_HEADS = word_set(
    "look guide homage tribute access introduction glimpse peek tip idea rule reason way gift key answer approach "
    "return response visit attention addition trip devotion love need desire quest search demand recipe advice "
    "invitation inspiration option solution difference relation damage attack combination"
)
# "This is not just a summary" says that it is one.
FOCUSING = word_set("just only merely simply even still almost nearly")
