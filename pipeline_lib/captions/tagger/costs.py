"""Costs that the lexicon tagger weighs: how unusual verb forms are, and which tag goes with the next.

Costs are free numbers on a scale where 0 is "as expected", 2 is "rare" and 4 is "hardly ever"; the tagger takes the
cheapest path. Tags are the Penn Treebank's. Four states split the verbs that behave unlike others: BE, HV and DO are
finite forms of *be*, *have* and *do*, BEN is *been* and *being*. BOS is the start of the text.
"""

# How unusual it is that a word is this form of a verb, where it may be a noun or an adjective too.
PRIORS = {"VB": 1.0, "VBP": 1.2, "VBZ": 0.9, "VBD": 0.3, "VBN": 0.3, "VBG": 0.1}

# How well the tag on the right follows the tag on the left; unlisted is `UNUSUAL`.
UNUSUAL = 3.5
# After the rare tags that have no row.
UNLISTED = 0.5
FOLLOWS = {
    "BOS": "0 DT NN NNS JJ PRP PRP$ NNP | .4 CD IN RB VBG WRB WDT EX UH JJR JJS CC | .8 VBN RBS | 1 MD BE DO VB TO "
    "HYPH `` , . | 2 HV VBZ VBD VBP RP",
    "DT": "0 NN NNS JJ JJS NNP CD | .4 VBN VBG JJR RBS | .8 RB RBR IN BE MD `` | 1.2 DT VBZ HV HYPH , . WDT | 2 PRP"
    " PRP$ VBD POS",
    "PRP$": "0 NN NNS JJ JJS NNP | .4 CD VBN VBG JJR | 1 RB `` RBS",
    "JJ": "0 NN NNS | .3 JJ NNP IN , . CC TO WRB | .6 VBG VBN CD HYPH `` | 1 RB VBD POS DT | 1.6 VBZ BE WDT PRP MD HV "
    "RP VBP | 2 EX",
    "JJR": "0 NN NNS JJ IN | .4 . , CC TO | .8 VBG VBN RB DT | 2 BE VBZ VBD PRP",
    "JJS": "0 NN NNS JJ IN | .3 CD NNP | .6 VBN VBG | 1 . , CC RB BE",
    "NN": "0 IN NN , . CC VBZ BE POS | .2 VBG VBN NNS VBD HYPH RB MD TO HV | .5 WDT RP WRB DO NNP | 1 JJ CD DT PRP "
    "EX `` UH | 1.6 PRP$ VBP JJR JJS | 2.6 VB",
    "NNS": "0 IN , . CC BE VBP | .2 VBG VBN RB VBD HYPH MD TO HV WDT | .4 POS DO | .8 WRB RP DT PRP JJ | 1 NN NNP ``"
    " CD | 1.6 NNS PRP$ JJR VB | 1.8 VBZ",
    "NNP": "0 NNP IN , . CC VBZ VBD BE POS | .3 NN NNS CD MD HV RB TO HYPH | .6 VBG VBN VBP WDT `` | 1 JJ DT DO PRP "
    "WRB",
    "CD": "0 NN NNS CD IN , . | .4 JJ NNP HYPH CC | .8 VBN VBG RB TO BE | 1.2 DT PRP VBP VBZ VBD JJR MD HV WDT",
    "PRP": "0 VBZ VBP VBD BE MD HV DO | .3 RB IN , . | .6 VBG VBN TO CC | .8 DT PRP RP VB WDT WRB | 1 JJ NN PRP$ | "
    "1.4 NNS CD NNP POS JJR",
    "POS": "0 NN NNS JJ NNP | .4 JJS CD VBG VBN `` | 1 IN RB | 1 , .",
    "VB": "0 DT PRP PRP$ IN NN NNS JJ RP TO RB | .3 VBN CD NNP , . WRB WDT | .6 VBG JJR CC `` | 1 VB EX RBR JJS | 2"
    " VBZ",
    "VBP": "0 DT PRP PRP$ IN RP RB TO | .3 JJ NN NNS WRB WDT , . NNP | .6 VBG VBN CC CD JJR EX | 1 VBP `` RBR",
    "VBZ": "0 DT PRP PRP$ IN RP RB TO | .3 JJ NN NNS WRB WDT , . NNP | .6 VBG VBN CC CD JJR EX | 1 `` RBR",
    "VBD": "0 DT PRP PRP$ IN RP RB TO | .3 JJ NN NNS WRB WDT , . NNP | .6 VBG VBN CC CD JJR EX | 1 `` RBR",
    "VBN": "0 IN , . TO RP RB | .3 NN NNS CC VBG | .5 JJ DT PRP PRP$ VBN | .8 CD NNP WRB HYPH `` WDT",
    "VBG": "0 DT PRP PRP$ IN NN NNS RP RB TO | .2 JJ , . | .5 CC VBN NNP CD WRB WDT | .8 VBG HYPH JJR `` | 1.6 BE "
    "VBZ VBD",
    "MD": "0 VB RB | .4 PRP | 1 HV DO | 1.4 NN DT , . NNP",
    "BE": "0 DT VBG VBN JJ IN RB | .2 PRP PRP$ TO NN NNS BEN | .4 CD JJR RBR RBS JJS NNP WRB WDT EX , . | .8 CC RP "
    "`` | 2 VB",
    "BEN": "0 VBN VBG JJ DT IN | .4 RB NN PRP$ CD | .8 NNS TO JJR",
    "HV": "0 VBN BEN DT RB TO JJ | .3 PRP PRP$ NN NNS CD | .6 JJR VBG IN NNP | 1 VBD . ,",
    "DO": "0 VB RB PRP | .3 DT NN NNS | .6 IN PRP$ JJ , . NNP WDT | 1 VBG",
    "TO": "0 VB DT | .2 PRP PRP$ NNP | .4 NNS JJ | .5 VBG CD HV DO | 2 NN | .8 RB WRB WDT VBN JJS",
    "IN": "0 DT NN NNS JJ PRP PRP$ NNP CD | .3 VBG WRB WDT JJS | .5 VBN IN RB JJR EX TO `` | 1 . , RBS | 1.4 RP VBZ"
    " VBD BE | 2 CC POS VBP",
    "RP": "0 IN DT , . TO PRP PRP$ | .3 CC RB NN NNS JJ | .6 VBG CD WRB WDT NNP | 1 HYPH VBN",
    "RB": "0 JJ RB IN VBN , . VBG | .2 VB VBZ VBD VBP DT | .4 TO CC PRP BE JJR | .6 NN NNS CD MD HV WRB PRP$ RP | 1"
    " NNP WDT DO EX JJS RBR",
    "RBR": "0 JJ RB IN | .4 VBN VBG , .",
    "RBS": "0 JJ RB | .4 VBN VBG IN",
    "CC": "0 NN NNS JJ DT NNP PRP PRP$ VBG | .3 VB VBZ VBP VBD VBN RB CD IN | .5 BE MD HV WRB WDT TO EX JJR | .8 DO CC "
    "JJS UH RBS ``",
    "WDT": "0 VBZ VBP VBD BE MD HV PRP | .2 DT NN NNS RB | .5 JJ DO NNP PRP$ TO IN | .9 VBN VBG EX , . CD",
    "WRB": "0 PRP DT JJ RB TO NN NNS | .3 PRP$ BE DO MD | .5 VBG VBN NNP IN EX CD | .8 VBZ VBD VBP , . HV",
    "EX": "0 BE | .4 MD | .6 HV RB | 1 VBZ VBP VBD",
    "UH": "0 , . PRP UH VB | .6 NN NNS DT JJ RB NNP | .8 CC IN",
    ",": "0 CC NN NNS JJ DT PRP PRP$ NNP IN RB VBG WDT WRB | .3 VBN CD BE VBD VBZ UH `` | .6 VB VBP MD HV TO , . "
    "EX JJR DO",
    ".": "0 NN NNS JJ DT PRP PRP$ NNP IN RB VBG WDT WRB CC CD UH . , `` HYPH | .4 VBN VB MD BE DO EX TO JJR JJS | "
    "1 VBZ VBD HV VBP POS",
    "HYPH": "0 NN NNS JJ VBN VBG CD NNP HYPH | .4 DT IN RB PRP | .6 RP WDT CC WRB PRP$ . | 1 VB VBZ VBD VBP TO BE MD "
    "UH",
    "``": "0 NN NNS JJ DT PRP PRP$ NNP IN RB CD WDT WRB UH , . `` | .4 VBG VBN VB CC BE MD TO | .8 VBZ VBD VBP HV "
    "DO EX",
}  # fmt: skip

# The same as a table of all pairs: COSTS[left][right].
COSTS: dict[str, dict[str, float]] = {}
for _left, _row in FOLLOWS.items():
    COSTS[_left] = {}
    for _group in _row.split("|"):
        _cost, *_rights = _group.split()
        COSTS[_left].update(dict.fromkeys(_rights, float(_cost)))
_TAGS = {tag for row in COSTS.values() for tag in row} | set(COSTS) | {"SYM", "_SP"}
for _left in _TAGS:
    _row = COSTS.setdefault(_left, dict.fromkeys(_TAGS, UNLISTED))
    COSTS[_left] = dict.fromkeys(_TAGS, UNUSUAL) | _row
# What it costs to end with a tag.
ENDINGS = {left: 0.0 if row["."] < 0.4 else 0.6 for left, row in COSTS.items()}
