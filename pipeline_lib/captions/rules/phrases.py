"""Words and phrases that relation parsing, sentence formation and the checks read."""

from pipeline_lib.captions.tagger.words import word_set

# Prepositions of several words, by their first word; the longest first.
_COMPLEX = (
    "in front of|in the middle of|in the center of|in the centre of|in the shape of|in the form of|in the style of|"
    "in the back of|in the corner of|in the direction of|on the side of|on the edge of|on the top of|on the back of|"
    "on the bank of|on the banks of|on the shore of|on the shores of|on the front of|on the outskirts of|at the end of|"
    "at the foot of|at the top of|at the bottom of|at the edge of|at the base of|by the side of|next to|close to|"
    "on top of|on board|out of|because of|along with|together with|due to|instead of|as well as|in addition to|"
    "such as|according to|ahead of|away from|apart from|in honor of|in honour of|in memory of|in support of|"
    "in preparation for|in search of|in need of|in charge of|in spite of|on behalf of|prior to|up to|"
    "inside of|outside of|near to"
)
COMPLEX_PREPOSITIONS: dict[str, list[tuple[str, ...]]] = {}
for _preposition in sorted(_COMPLEX.split("|"), key=len, reverse=True):
    _first, *_rest = _preposition.split()
    COMPLEX_PREPOSITIONS.setdefault(_first, []).append(tuple(_rest))

# No pair starts with these: what follows is a cause, a comparison, an example or a measure.
_SKIPPED = (
    "of|as|like|unlike|than|per|via|despite|except|besides|including|such as|because of|due to|instead of|as well as|"
    "according to|in spite of|prior to|up to|in addition to|on behalf of|till|until|since|about|to|out|up|down|off|"
    "apart from|in preparation for|in the form of|in search of|in need of|along with|in honor of|"
    "in honour of|in memory of|in support of|ahead of"
)
SKIPPED_PREPOSITIONS = frozenset(_SKIPPED.split("|"))
SUBORDINATORS = word_set(
    "because although though whereas unless whether while if once when where why how whenever wherever whilst"
)

# Nouns that name the picture and not what is in it.
PICTURES = word_set(
    "photo photograph photography picture image view shot portrait illustration painting drawing sketch vector scene "
    "silhouette closeup close-up up panorama footage video clip render rendering graphic icon cartoon print diagram "
    "map watercolor doodle logo emblem replica model artwork watercolour pic snapshot poster screenshot"
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
UNCERTAIN_MODALS = word_set("may might could would 'd shall ought must should")
# Verbs whose object takes *no* as readily as the verb takes *not*: "a man wearing no hat".
HAVING = word_set(
    "have wear hold carry contain show feature include display use see bear offer cast catch sell serve play perform"
)
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
    "on_the_market on_canvas on_paper in_case in_mind for_sale in_fact at_least at_last for_example for_instance "
    "at_all in_general in_particular at_once in_order by_hand for_free in_time on_time in_progress in_action "
    "at_first in_advance for_sure by_far on_sale in_use for_real in_love in_public at_risk in_bloom in_full "
    "in_place in_person in_connection by_side on_display in_detail at_ease in_a_row in_rows in_preparation in_line "
    "in_turn in_motion in_town in_session on_record on_location on_point on_top in_the_works in_the_making "
    "on_vacation at_work at_play for_rent for_hire in_style in_the_style under_construction in_different_colors "
    "in_various_colors in_existence in_need after_party"
)
# Of these a picture shows whether they are so: "puppies that are not for sale", where nothing else can be negated.
STATES = word_set(
    "on_display for_sale on_sale in_bloom in_full_bloom under_construction in_action in_motion at_work in_use in_flight"
)
# Before *of* these say how many or which sort; the noun after *of* is the head.
KINDS = word_set("kind type sort bit number amount variety group pair couple piece one series set collection lots")
# What follows is what somebody says or thinks, and not what the picture shows.
REPORTING = word_set(
    "say think know forget believe claim hope wish tell ask wonder mean name allege argue explain suggest admit "
    "reveal announce report warn insist"
)
# A caption with one of these reports, and says little of a picture.
SAYING = word_set("say tell claim believe think convince hope argue explain admit announce report suggest")
# Worn things: "a woman in a red dress" is "a woman without a red dress".
WORN = word_set(
    "dress hat glass sunglasses suit uniform coat shirt jacket costume gown jeans helmet cap scarf skirt tie mask "
    "t-shirt kimono sari hoodie swimsuit bikini tuxedo robe apron sweater outfit boot shoe glove armor wig headphone"
)
# What says the place where a thing is not: "a bench near a lake" is "a bench with no lake nearby".
NEAR = ("near", "next to", "beside", "close to", "alongside", "near to")
ABSENT = dict.fromkeys(NEAR, "nearby") | {
    "behind": "in front",
    "in front of": "in the background",
    "against": "in the background",
    "over": "below",
    "above": "below",
    "amid": "around",
    "among": "around",
}
# "a woman wearing a hat" is "a woman without a hat"; "a fence surrounded by trees" is "a fence without trees".
POSSESSING = word_set(
    "wear hold carry feature include contain sport bear ride drive push pull eat drink use read smoke walk fly throw "
    "kick catch hit feed chase play"
)
INSTRUMENTS = word_set("guitar piano violin drum saxophone trumpet flute cello accordion harp keyboard banjo bass")
EQUIPPING = word_set(
    "decorate surround cover fill top line adorn embellish dress crown equip accent load stuff furnish garnish "
    "overgrow accompany pack isolate"
)
# What weather is for a picture: "a street during a storm" is "a street without a storm".
HAZE = word_set("snow fog mist smoke haze")
WEATHER = word_set("storm thunderstorm snowstorm rain snow snowfall blizzard sunset sunrise rainstorm downpour")
# Along or by these a thing is near them.
SHORES = word_set(
    "sea lake river ocean water pool road window fire fireplace tree beach door roadside shore coast pond canal stream "
    "railway fence wall"
)
# "A bowl of fruit" is "a bowl without fruit"; "a group of people" is nothing without them.
CONTAINERS = word_set(
    "bowl bouquet plate bottle glass cup vase basket box bunch jar field bucket bag pot tray mug can crate sack "
    "platter wreath garland background pattern border arrangement tub barrel cart wheelbarrow"
)
# Nouns that are one thing and several: "a couple walk", "the team celebrate".
COLLECTIVES = word_set("couple team family group police crowd pair band staff crew audience public youth variety")
# Of these one says *who*.
PEOPLE = word_set(
    "person man woman boy girl child kid baby lady guy gentleman toddler infant couple bride groom mother father son "
    "daughter brother sister wife husband friend actor actress artist author politician athlete footballer player "
    "model singer musician soldier officer driver rider bartender businessman businesswoman coach fan member leader "
    "president celebrity comedian director producer dancer chef barber fisherman farmer tourist surfer skier "
    "skateboarder cyclist runner swimmer climber queen king prince princess doctor nurse firefighter pilot "
    "photographer designer hiker guitarist drummer rapper dj priest monk visitor passenger customer employee worker "
    "shopper waiter waitress teacher student people teenager family gymnast boxer nun vendor hunter"
)
# Verbs that need no companion: "person poses with a dog" is "person poses without a dog".
COMPANIONED = word_set("pose stand sit walk play travel dance perform appear arrive run live smile work eat relax rest")
# Nouns whose preposition cannot be negated away from them: "a look at", "a guide to".
COMPLEMENT_HEADS = word_set(
    "look guide homage tribute access introduction glimpse peek tip idea rule reason way gift key answer approach "
    "return response visit attention addition trip devotion love need desire quest search demand recipe advice "
    "eye invitation inspiration option solution difference relation damage attack combination"
)
# "This is not just a summary" says that it is one.
FOCUSING = word_set("just only merely simply even still almost nearly so as")
# What hardly shows: whom a thing is for, where it comes from.
WEAK_PREPOSITIONS = word_set("for from toward towards")
# What one feels, thinks, decides or undergoes, and no picture shows.
UNSEEN = word_set(
    "love like want need hope prefer enjoy win lose mark remember plan decide support inspire represent symbolize "
    "symbolise continue manage require help prove receive offer provide become voice consider expect seem feel hate "
    "deserve earn own steal commemorate honor honour encourage allow cause ensure improve influence deliver achieve "
    "believe boast succeed fail qualify sign announce confirm deny accuse blame date rank star debut portray suffer "
    "name elect appoint injure schedule release sponsor cost aim benefit protect prevent entitle belong tend "
    "convince similar different available famous known susceptible responsible ready perfect ideal good great "
    "important nervous proud than characterize characterise know request order"
)
# Prepositions whose phrase a verb takes after its object: without the verb it would hang in the air.
COMPLETING = word_set(
    "to into onto from over above through down up across out off as with toward towards for by against about between"
)
# A caption that says "I" or "you" talks, and does not describe.
SPEAKERS = word_set("i you we me us myself yourself ourselves")
# Pronouns that an exclusion caption may have instead of a noun.
PERSONS = word_set("i you he she we they someone somebody everyone anyone")
# What is held or worn is "in hand" or "on the head".
BODY = word_set("hand hands arm arms hair head face neck wrist lap mouth shoulder shoulders back")
# With a preposition these mean something else: "working on an engine", "trying on a hat".
PREPOSITIONAL = word_set("work try put look wait listen turn take get go come think talk prepare learn search check")
# Verbs of turns of speech: "set the carpet on fire".
LIGHT = word_set("get set put make take go give show")
