"""How often the lexicon tagger is right: on captions tagged here by hand, and on the English Web Treebank."""

import pytest
import spacy
from spacy.tokens import Doc
from treebank import TREEBANK, read_treebank, universal_parts_of_speech

CODES = {
    "A": "ADJ", "C": "CCONJ", "D": "DET", "E": "PROPN", "I": "ADP", "M": "NUM", "N": "NOUN", "P": "PRON", "R": "ADV",
    "S": "SCONJ", "T": "PART", "V": "VERB", "X": "AUX", ".": "PUNCT",
}  # fmt: skip

# Captions in the style of CC3M, and one letter per token (`CODES`).
CAPTIONS = """
a grey cat asleep on a wooden bench                                     D A N A I D A N
person plays guitar during the concert                                  N V N I D N
dog plays with a tennis ball in the garden                              N V I D N N I D N
footballer celebrates scoring a goal during the match                   N V V D N I D N
actor attends the premiere of the film                                  N V D N I D N
politician speaks at a rally in front of supporters                     N V I D N I N I N
a crowd watches fireworks over the harbour                              D N V N I D N
model walks the runway at fashion week                                  N V D N I N N
actress arrived at the awards in a red dress                            N V I D N I D A N
soccer player tackled by a defender                                     N N V I D N
tennis player returns a shot in the final                               N N V D N I D N
striker shoots past the goalkeeper to score the second goal             N V I D N T V D A N
a man walks his dog past parked cars                                    D N V P N I V N
young couple walking hand in hand along the shore                       A N V N I N I D N
an old stone bridge crosses the narrow river                            D A N N V D A N
children play football in a dusty street                                N V N I D A N
women dance around a fire at night                                      N V I D N I N
two kids paint a wall with bright colours                               M N V D N I A N
boats rest on the sand at low tide                                      N V I D N I A N
waves crash against the rocks below the lighthouse                      N V I D N I D N
scared looking kitten hiding under a chair                              A A N V I D N
person scared looking owl on a branch                                   N A A N I D N
a good looking man in a blue suit                                       D A A N I D A N
vector illustration of a smiling sun with sunglasses                    N N I D V N I N
seamless pattern with hand drawn leaves                                 A N I N V N
a snow covered road leads to the village                                D N V N V I D N
house surrounded by tall pine trees                                     N V I A N N
bride and groom cut the wedding cake                                    N C N V D N N
pop artist performs on stage at festival                                N N V I N I N
the band released its third album last week                             D N V P A N A N
police officers stand guard outside the court                           N N V N I D N
firefighters work to put out a blaze at the factory                     N V T V I D N I D N
protesters hold signs and shout slogans                                 N V N C V N
a nurse checks the blood pressure of a patient                          D N V D N N I D N
the sun sets behind snowy mountains                                     D N V I A N
view from the top of the hill                                           N I D N I D N
woman in a black hat looking at the camera                              N I D A N V I D N
people waiting for a train at the station                               N V I D N I D N
homemade soup in a white bowl , close up                                A N I D A N . R R
kitchen with a large window and white cabinets                          N I D A N C A N
this is a photo of our new puppy                                        P X D N I P A N
there are many ways to wear a scarf                                     P V A N T V D N
how to draw a horse with a pencil                                       R T V D N I D N
athlete competes in the long jump , saturday                            N V I D A N . E
coach shouts instructions to his players                                N V N I P N
baby elephant drinks water from a pool                                  N N V N I D N
a bee lands on a yellow flower                                          D N V I D A N
fans cheer as the team scores                                           N V S D N V
the dog that was found in the park                                      D N P X V I D N
car parked near a sign that says stop                                   N V I D N P V V
person dressed as a pirate for the parade                               N V I D N I D N
president waves to the crowd before boarding a plane                    N V I D N S V D N
the team lost its first game of the season                              D N V P A N I D N
singer posed with fans after the show                                   N V I N I D N
guests enjoy drinks on the terrace                                      N V N I D N
fresh vegetables in a frying pan on the stove                           A N I D N N I D N
wooden log cabin by the frozen lake                                     A N N I D A N
set of icons for a mobile app                                           N I N I D A N
shopping bags on a kitchen table                                        N N I D N N
the painting shows a ship in a storm                                    D N V D N I D N
painting of a ship in a storm                                           N I D N I D N
students listening to a lecture in a crowded hall                       N V I D N I D A N
tourists take pictures of the tower                                     N V N I D N
rain drops on a green leaf                                              N N I D A N
close up of a butterfly resting on a flower                             R R I D N V I D N
a street artist paints portraits of tourists                            D N N V N I N
cyclists ride through the city centre                                   N V I D N N
mother helps her daughter build a sand castle                           N V P N V D N N
a plate of pasta topped with basil                                      D N I N V I N
businesswoman working late in her office                                N V R I P N
award winner smiles after receiving the trophy                          N N V S V D N
film director and actress on the red carpet                             N N C N I D A N
waiter carries a tray of glasses across the terrace                     N V D N I N I D N
person walks along a trail during autumn                                N V I D N I N
two horses graze in a green pasture                                     M N V I D A N
abstract background with glowing lines and dots                         A N I V N C N
golfer reacts to his putt on the 18th green                             N V I P N I D A N
the mayor opens a new library in the city centre                        D N V D A N I D N N
old fishing boat on the shore of a lake                                 A N N I D N I D N
chef slices tomatoes with a sharp knife                                 N V N I D A N
a sailor climbs the mast of a tall ship                                 D N V D N I D A N
fire burns in a stone fireplace                                         N V I D N N
cheerful grandmother baking cookies with her grandson                   A N V N I P N
graffiti painted on the wall of an empty factory                        N V I D N I D A N
hip hop artist performs at the opening of a club                        N N N V I D N I D N
a herd of cows blocks the country road                                  D N I N V D N N
winter coat with a fur collar isolated on white                         N N I D N N V I N
volunteers plant trees along the highway                                N V N I D N
how to make a paper plane that flies far                                R T V D N N P V R
actor and director discuss a scene on set                               N C N V D N I N
cat watches birds through the window                                    N V N I D N
a lawyer arrives at court with his client                               D N V I N I P N
a lone tree stands in the middle of a field                             D A N V I D N I D N
"""


def accuracy(sentences: list[tuple[list[str], list[str]]]) -> tuple[float, str]:
    """Share of the tokens with the right universal part of speech, and a line that tells the most common errors."""
    vocab = spacy.blank("en").vocab
    wrong, total = [], 0
    for words, wanted in sentences:
        found = universal_parts_of_speech(Doc(vocab, words=words))
        places = zip(words, found, wanted, strict=True)
        wrong += [f"{word}/{pos} for {right} in {' '.join(words)[:60]}" for word, pos, right in places if pos != right]
        total += len(words)
    share = 1 - len(wrong) / total
    return share, f"{share:.2%} of {total:,} tokens have the right universal part of speech; wrong: {wrong[:20]}"


def test_accuracy_on_captions(capsys):
    lines = [line.split("  ", 1) for line in CAPTIONS.strip().splitlines()]
    share, line = accuracy([(caption.split(), [CODES[code] for code in codes.split()]) for caption, codes in lines])
    with capsys.disabled():
        print(f"\nlexicon tagger on captions: {line}")
    assert len(lines) > 60 and share > 0.95


@pytest.mark.skipif(not TREEBANK.exists(), reason=f"no treebank at {TREEBANK.name} in ../shared/data")
def test_accuracy_on_the_english_web_treebank(capsys):
    share, line = accuracy([([row[1] for row in rows], [row[3] for row in rows]) for rows in read_treebank()])
    with capsys.disabled():
        print(f"\nlexicon tagger on the treebank: {line.partition('; wrong')[0]}")
    assert share > 0.93
