"""Open-class words whose usual part of speech has to be told, for LemmInflect's lexicon does not weigh them.

"model" is a noun first, "walk" a verb; after somebody who acts (`ANIMATE`) a word in -s is a verb.
"""

from pipeline_lib.captions.tagger.words import word_set

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

# Adjectives that end a phrase although the lexicon knows nouns: "dressed in black and white", "the very best".
ADJECTIVES_ALONE = word_set(
    "red green blue yellow purple pink white black brown grey gray golden gold silver orange beige turquoise dark "
    "light bright young old new big small little large tall short long happy sad good bad great best better wild open "
    "close outdoor indoor indoors outdoors alone alive dead asleep awake ready live available possible full empty dry "
    "wet cold hot warm cool high low deep wide free fresh clean clear same other different such many few more less "
    "beautiful cute pretty fine nice real sweet quiet calm safe hard soft early late right wrong last next first "
    "second"
)
