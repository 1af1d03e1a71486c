"""Words that the lexicon tagger reads: the closed classes of English, and what ambiguous words usually are.

LemmInflect's lexicon says which parts of speech a word can have, never which one is usual. The tables here add that,
by hand: `CLOSED` and `AMBIGUOUS` list the function words, the sets below them the open-class words whose usual part of
speech has to be told. Tags and costs are those of `costs`.
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

# Lemmas that are verbs first although the lexicon also knows a noun or an adjective.
VERBS_FIRST = word_set(
    "look walk run play pose perform speak sit stand attend stop show ride wait watch work talk make take hold jump "
    "wear carry eat drink sleep climb fly swim drive dance sing read write cook throw catch kick pass leave "
    "enter visit greet hug kiss smile laugh cry shout shake lean lie lay reach touch feel push pull "
    "lift fall grow float hang swing sail skate skateboard snowboard travel move turn "
    "surround fill contain include feature display share celebrate cheer score beat win defend "
    "attack tackle shoot march protest gather meet join help hope want need try use get go come see know think "
    "find give put keep let begin start happen seem become remain appear arrive return follow lead bring send buy sell "
    "pay cost call ask tell say answer learn teach rehearse train prepare serve pour bake wash clean "
    "dry repair build draw create collect pick feed chase hunt hide seek search "
    "explore enjoy love like hate miss sweep stare gaze glance peek listen hear smell taste live die kill "
    "drown burn break wrestle sniff dig roar bite lick chew graze "
    "stroll stretch bend kneel crouch crawl discuss debate address deliver release unveil "
    "blow traverse press hunt capture examine inspect train launch open close cruise hover glow shine sparkle "
    "reflect spin slide hop"
)

# Verbs that the lexicon also knows as nouns, and that hardly ever are.
VERBS_NEARLY_ALWAYS = word_set(
    "go take get make give come bring let keep put send try want takes gets makes gives comes brings lets keeps puts "
    "sends wants goes say says means see sees find think thinks know eat be seem seems sounds stand stands sit sits"
)

# Words that are adjectives first, nouns second; and nouns first although the lexicon knows an adjective.
ADJECTIVES_FIRST = word_set(
    "red green blue yellow purple pink white black brown grey gray golden silver young old little big small "
    "large happy new beautiful cute human female male modern classic traditional fresh cold hot open dark light low"
    " high long short round square flat full empty wet dry clear bright deep wide narrow clean good bad great best "
    "better real wild sweet plain spotted natural tropical digital musical biological medical professional popular "
    "public local national international american british french italian german chinese japanese indian african "
    "european asian caucasian seamless abstract vintage antique right floral colorful decorative stylish fast early"
    " late hard soft close live single double main dead perfect ready smart quiet calm warm cool free similar royal"
    " fine evil possible upper common former public illegal chemical dear safe kind creative simple wrong "
    "homeless potential key national prior interim associate future sunni arab thai urban rural solar cloudy "
    "greek roman mexican hispanic dutch spanish english arabic portuguese russian canadian "
    "sunny rainy snowy foggy striped dotted adult giant"
)
NOUNS_FIRST = word_set(
    "model orange fashion animal water kitchen glass home front top bottom side corner music sport sports plant "
    "fall summer winter spring autumn flower picture photo image view background sign light night star cross ring "
    "fish boat tent kite flag box park people person actor artist hand hands head face eyes heart leaves leaf dress"
    " skirt shirt suit hat match ball party show film movie book table chair street road house garden wall floor "
    "window door roof sand stone rock snow ice rain storm wind wave waves cloud clouds sky sun moon field forest "
    "desert meadow beach coast island shore river lake sea ocean mountain hill bridge tower castle church city town"
    " village club team crowd group pair couple family baby child boy girl man woman style pattern shape color "
    "colour design line lines paper board card poster stage court state country county race train plane ship bus "
    "truck bike car drink cook guard guide judge coach pilot nurse fan fans pet dog cat horse bird duck chicken fly"
    " bear bears seal seals crane monkey ape hound bug interior exterior potential ideal individual official "
    "daughter patient premiere tarmac trick piano seed fork marathon terminal afternoon garnish routine snap shadow "
    "classic musical capital chemical tie bat bow arms legs feet back skin cup bowl plate dish toast cake pie soup "
    "salad sauce ham steak peel juice punch shower sink bath toilet bed lamp mirror drawer desk counter screen "
    "monitor key keys phone camera pen pencil ruler highlights details game games video part kind piece future fun "
    "chance soul cloth third date means troops regards drops guys position gathering meeting bust dust"
)

# Nouns that LemmInflect lists as verbs or adjectives only.
NOUNS_TOO = word_set("top pan bar log tan lounge tote advert template doodle dam act")

# Past forms of these without an object are finite: "artist performed on stage", and not "car parked on a street".
PAST_IS_FINITE = word_set(
    "perform arrive walk look appear play speak go come run stand sit fall arise attend celebrate compete react return "
    "talk wait work die live travel smile laugh pose step sing dance stop start begin move win lose fight say happen "
    "become remain leave meet join visit receive enjoy love say think want like try need help continue turn "
    "score beat defeat tell ask watch miss finish lead follow struggle smash survive reach agree decide hope believe "
    "happen occur exist belong flow rain snow sail land crash"
)

# Prepositions that are adverbs where no noun phrase follows.
ALSO_ADVERBS = word_set(
    "out in on up down off over around along across inside outside behind below above under near past before after "
    "since through by about throughout"
)

# Who acts: after these in the singular a word in -s is a verb ("bartender presses fresh mint").
ANIMATE = word_set(
    "person actor actress artist author politician athlete footballer player model singer musician band team man "
    "woman boy girl child baby couple bride groom mother father son daughter dog cat bird horse elephant lion tiger "
    "bear cow monkey bee butterfly species organism animal swan owl eagle crowd family student teacher worker soldier "
    "officer driver rider bartender businessman businesswoman character coach fan member leader president profession "
    "celebrity comedian director producer filmmaker dancer chef barber fisherman farmer tourist surfer skier "
    "skateboarder cyclist runner swimmer climber kid lady guy gentleman toddler infant queen king prince princess "
    "puppy kitten squirrel doctor nurse police firefighter pilot photographer designer hiker guitarist drummer rapper "
    "dj priest monk pope visitor passenger customer employee shopper bartender waiter waitress seagull vulture "
    "airplane plane helicopter train ship boat flag river stream waterfall resident guest villager volunteer activist "
    "protester golfer boxer wrestler jockey cricketer goalkeeper striker quarterback pitcher referee minister mayor "
    "governor senator monarch nun bishop sailor commuter pedestrian hunter shepherd cowboy bridesmaid teen teenager "
    "sister brother friend neighbor neighbour pupil pianist violinist gymnast skater astronaut scientist engineer "
    "vendor grandmother grandfather fox wolf rabbit goat parrot penguin dolphin whale shark giraffe zebra leopard "
    "cheetah panda camel kangaroo"
)
# Of these plurals of somebody, forms of a verb as well: "actress models a gown".
ANIMATE_ACTS = word_set(
    "models coaches guards pilots fishes birds bears parrots ships boats trains flags streams nurses"
)
# Plurals that stand before another noun: "sports fan", "fireworks display".
PLURALS_IN_COMPOUNDS = word_set(
    "sports fireworks arms glasses species people police series news women men ladies kids sales arts games systems "
    "awards holidays christmas valentines fish sheep deer aircraft jeans physics politics wars words mens womens"
)
# Words in -s that stay nouns even there: "dog toys on the floor".
PLURALS_FIRST = word_set(
    "toys wings legs eyes ears hands tails horns paws shells bones nests webs rooms shoes costumes masks tracks prints "
    "parts houses homes names scenes fans crowds lines pens boats trains tales skins hats caps boots uniforms treats"
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
# Adjectives that end a phrase although the lexicon knows nouns: "dressed in black and white", "the very best".
ADJECTIVES_ALONE = word_set(
    "red green blue yellow purple pink white black brown grey gray golden gold silver orange beige turquoise dark "
    "light bright young old new big small little large tall short long happy sad good bad great best better wild open "
    "close outdoor indoor indoors outdoors alone alive dead asleep awake ready live available possible full empty dry "
    "wet cold hot warm cool high low deep wide free fresh clean clear same other different such many few more less "
    "beautiful cute pretty fine nice real sweet quiet calm safe hard soft early late right wrong last next first "
    "second"
)
