"""What a picture can show: a hat, a beach, a wedding; and not the weekend, a skill or the best of anything.

A negated caption has to be false of the picture, and a distractor has to show its object, so a pair whose object is
abstract is not offered. No lexicon at hand knows which nouns are abstract: the list below and a few endings do.
"""

import re

from spacy.tokens import Doc

from pipeline_lib.captions.rules.phrases import KINDS
from pipeline_lib.captions.tagger.words import CALENDAR, word_set

# Times, measures and turns of speech.
_TURNS = word_set(
    "planet km mile title tradition anniversary much time way part lot something anything everything nothing anyone "
    "everyone thing idea fact order case sense term reason behalf mean connection preparation honor honour memory "
    "favor favour support response addition search place style form turn advantage advance year month week "
    "decade century era age past future present season weekend debut return career attention look glance success "
    "defeat win loss effort attempt chance opportunity importance experience rest lead care step day today tomorrow "
    "yesterday moment minute hour second end start beginning stop role use need purpose possibility "
    "difference one other another kind type sort bit number amount variety half top side life share sight trip mind "
    "shape position level rate world universe opinion information knowledge finishing earth account investment "
    "contrast peace favourite favorite choice homage access solidarity detail practicality "
    "focus trend fashion task tale advert auction arrivals tribute best worst most least more less same first last "
    "next right mo"
)
_ABSTRACT = word_set(
    "touch portion tip celebration healing headache heartbeat homework inning stroll run rescue ability absence "
    "abuse acceptance acclaim accord accordance achievement action adaptation addiction adventure advice afar "
    "affair affection agenda agreement aid aim allegation alliance alternative ambiance ambience ambition analysis "
    "anger answer anxiety apology app appeal appearance application approach approval argument arrest aspect "
    "aspiration assignment assistance assumption atmosphere attachment attitude attribute authority availability "
    "average awareness ban bankruptcy bargain basis beauty behavior behaviour belief benefit bid birth blame blast "
    "blessing bliss blog bloom bonus boost boredom boundary breakdown breakthrough breed budget calm campaign "
    "cancer capability capacity capitalism category cause caution cent certainty challenge change characteristic "
    "charm circuit circumstance claim clearance climate clue code coincidence collaboration combination comeback "
    "comfort command comment commitment communication comparison compassion competence complaint complexity "
    "compliance compromise concentration concept concern conclusion condition confidence conflict confusion "
    "congratulation congratulations consequence consideration consistency construction content contents context "
    "contract contribution control controversy convenience copyright cost courage coverage creativity credit crisis "
    "criticism culture cure curiosity custom cycle damage danger data date deadline deal death debt decision "
    "decline dedication definition degree delay delight demand demo democracy departure depression depth "
    "description desire despair destination detention determination development dilemma dimension direction "
    "disaster discipline discount discovery discrimination disease disguise disgust disorder dispute distinction "
    "distress diversity division dose doubt dream drought duty dynamics ease economy edition education effect "
    "efficiency election elegance emergency emotion emphasis employment encouragement energy engagement enjoyment "
    "enthusiasm entrepreneurship episode equality error essence evidence evolution example excellence exception "
    "excitement exclusive excuse execution existence expansion expectation expense expertise explanation "
    "exploration exposure extent extreme facebook factor failure fairness faith fame familiarity fantasy fate fault "
    "feature feedback feeling finance fit fitness flair flavor flavour flexibility folklore force forefront format "
    "fortune freedom freshness friendship frustration fulfillment fun fund gain generation generosity genius genre "
    "glamour glimpse glory goodbye goodness gossip grace grade gratitude greatness greed grief growth guarantee "
    "guidance guilt habit happiness hardship harm harmony hashtag hate hatred health hell help heritage heyday hint "
    "history honesty hope hospitality humanity humility humor humour hurry hype ideal identity ignorance illness "
    "imagination impact imperfection implementation impression improvement inception incident inclusion income "
    "increase independence indication inequality inflation influence info initiative injury injustice innings "
    "innocence innovation inside insight inspiration instagram instance instinct insurance integrity intelligence "
    "intent intention interest internet intimacy intrigue introduction investigation involvement irony issue "
    "jealousy job joke journey joy judgment justice justification kindness kingdom lack language law leadership "
    "legacy legislation leisure lesson liability liberty lifetime likelihood limelight limit literature live living "
    "location logic loneliness longing love loyalty luck luxury magic magnitude maintenance majority makeover "
    "making management manner marriage mastery maturity maximum meaning meantime measure mechanism medium melody "
    "mention mercy merit method middle midst minimum misery mission mistake mode momentum mood morale morality "
    "motion motivation myriad mystery myth mythology necessity negotiation news nomination norm nostalgia "
    "nothingness notion novelty objective obligation obsession occasion occupation odds offense offer opposition "
    "optimism option origin originality outcome outlier outlook output outside ownership pace pain panic "
    "participation partnership passion patience patriotism pay payment percent perception perfect perfection period "
    "permission persistence personality perspective phase phenomenon philosophy phrase pitfall pity plan planning "
    "pleasure plenty plight plot podcast policy politics pollution popularity possession potential poverty power "
    "praise precision preference pregnancy prejudice premiership premise presence preservation pressure prestige "
    "prevention price pride prime principle privacy privilege probability problem procedure profile profit program "
    "programme progress project promise promotion proof proportion proposal prospect prosperity protection "
    "provision psychology publicity purity purposes pursuit quality quantity quarrel quest question rank rating "
    "ratio reaction readiness reality realization realm rear reasoning rebound recession recipe recognition "
    "recommendation recovery reduction reference reform refusal regard regret regulation rehabilitation reign "
    "rejection relation relationship relaxation release relevance reliability reminder reputation request "
    "requirement research resemblance residency resignation resilience resistance resolution respect responsibility "
    "restriction result resume retirement revelation revenge revenue review revival revolution reward rhythm rise "
    "risk rivalry romance routine rule rumor rumour rush sadness safety sake salary sale sanity satisfaction saving "
    "savings scandal schedule science scope score secrecy secret security sensation sentiment sequence series "
    "service severity shame shortage significance silence similarity simplicity sin sincerity situation sixty skill "
    "skillset slavery slump snag software solitude solution sophistication sorrow soul specialty spirit spiritual "
    "spirituality stability standard standstill statistic status story storyline strategy streak strength stress "
    "stride struggle stuff subject suffering suggestion sum summary superiority surge surgery surprise survival "
    "suspense suspicion sustainability symmetry symptom system talent tally taste technique technology temper "
    "tendency tension tenure terms terror testimony thanks theft theme theory therapy thinking thought threat "
    "thrill tolerance tone topic tops total tourism trade tragedy trait transformation transition translation "
    "transport treatment trick trouble trust truth tune turmoil twitter uncertainty understanding unity update "
    "upgrade urge usage usual vain validity value variation version veto vibe vibes victory violence virtue "
    "visibility vision volume vote vulnerability wake want warfare warmth weakness wealth web website wellbeing "
    "wellness wholesale will wisdom wish wit worldview worry worth yield youth youtube zeal"
)
_ENDINGS = re.compile(r"\w{3,}(?:ness|ism|ility|ivity|ality|osity|icity|iency|ancy|itude|ology|onomy|(?<!i)hood)")
_SHOWN = word_set(
    "facility wilderness harness witness lioness prism neighborhood neighbourhood hood municipality baptism"
)
# "On a sunny day" shows, "on the second day" does not; "in winter" shows, "this winter" does not.
_DAYS = word_set("day afternoon morning evening")
_SKIES = word_set(
    "sunny rainy cloudy snowy foggy misty stormy windy clear winter autumn summer spring overcast grey gray gloomy "
    "bright dull wet icy frosty hazy cold hot"
)
_SEASONS = word_set("spring summer autumn winter fall morning afternoon evening night")
_POINTING = word_set("this last next every each that")
# "The rear of a ship" shows as a ship does.
_PARTS = word_set("rear top side end edge middle back front inside outside midst")
# What stands for something else, and may well have a place: "things in a meadow", "the top of a tower".
_STAND_INS = word_set(
    "thing side number kind type sort bit amount variety half top part lot one other another something anything "
    "everything nothing anyone everyone beginning end start detail planet "
    "look trend form shape performance age position"
)
_WORDS = re.compile("(?:NN){5}")
_NUMBER = re.compile(r"[’']?\d\S*|'?s")


def head_of(doc: Doc, span: tuple[int, int]) -> int:
    """Return the token that a noun phrase is about: *view* of "a view of the sea", *roses* of "a number of roses"."""
    start, stop = span
    for i in range(start + 1, stop):
        if doc[i].lower_ == "of":
            return stop - 1 if doc[i - 1].lemma_ in KINDS or doc[i - 1].lemma_ in _PARTS else i - 1
    return stop - 1


def is_abstract(lemma: str) -> bool:
    """Whether a noun names what no picture shows; *thing*, *side* and *number* may stand for what it does show.

    Parameters
    ----------
    lemma : str
        Lower-case.
    """
    return lemma in _ABSTRACT or (_ENDINGS.fullmatch(lemma) is not None and lemma not in _SHOWN)


def names_nothing(doc: Doc, span: tuple[int, int]) -> bool:
    """Whether a noun phrase is about an abstraction, of which no place or act shows: "congratulations on ..."."""
    at = head_of(doc, span)
    head, before = doc[at], doc[max(0, at - 1)].lower_
    lemma = head.lemma_.lower()
    if before == "still" or (head.lower_ in _DAYS and before in _SKIES):
        return False  # "still life with apples", "a spring day with blossoms"
    return (
        head.tag_[:2] == "NN"
        and lemma not in _STAND_INS
        and (lemma in _TURNS or is_abstract(lemma) or is_abstract(head.lower_))
    )


def depictable(doc: Doc, span: tuple[int, int]) -> bool:
    """Whether a picture could show a noun phrase: it has a noun or colour, and its head is not abstract."""
    at = head_of(doc, span)
    head, before = doc[at], doc[max(span[0], at - 1)].lower_
    if head.lower_ in _DAYS and before in _SKIES:
        return True
    if head.lower_ in _SEASONS and (doc[span[0]].lower_ in _POINTING or before in CALENDAR or before == "a"):
        return False
    lemma = head.lemma_.lower()
    if lemma in _TURNS or head.lower_ in _TURNS or head.lower_ in CALENDAR or _NUMBER.fullmatch(head.lower_):
        return False
    if is_abstract(lemma) or is_abstract(head.lower_) or head.tag_[:2] in ("VB", "RB"):
        return False
    if head.tag_ == "JJ" and doc[span[0]].lower_ in ("a", "an"):
        return False  # cut off: "after a heavy"
    tokens = doc[span[0] : span[1]]
    if tokens[0].lower_ == "one" and tokens[min(1, len(tokens) - 1)].lower_ == "of":
        return False  # "one of the most popular hats"
    if _WORDS.search("".join(token.tag_[:2] for token in tokens)):
        return False  # a list of keywords
    if tokens[0].lower_ in ("more", "less", "fewer", "most", "least"):
        return False
    if tokens[0].lemma_ == "lot" or (len(tokens) > 1 and tokens[1].lower_ == "lot"):
        return False
    return any(token.tag_[:2] in ("NN", "JJ") for token in tokens)
