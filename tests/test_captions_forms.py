"""The forms: what is written of a caption for each rule, what is not, what is refused, and how one is drawn."""

import pytest
from captioning import BACKEND, WEIGHTS, read, rows_of

from pipeline_lib.captions.rules import backend, checks, forms
from pipeline_lib.captions.rules.backend import RuleBackend
from pipeline_lib.captions.rules.forms import FORMS, Form, candidates
from pipeline_lib.captions.rules.rewriting import Rewrite, exclusion
from pipeline_lib.formats.negation import NEGATION_WORDS


def written(caption, number):
    """Every negated caption of a pair."""
    return {made.text for made in candidates(caption) if made.number == number}


@pytest.mark.parametrize(
    ("text", "number", "negated", "left"),
    [
        ("a single heart in the snow", 0, "a single heart that is not in the snow", "a single heart"),
        ("two cats in the snow", 0, "two cats that are not in the snow", "two cats"),
        ("a cat on a mat in the snow", 1, "a cat on a mat but not in the snow", "a cat on a mat"),
        ("aerial view of a meteor with clouds", 0, "aerial view of a meteor with no clouds", "aerial view of a meteor"),
        ("jungle with a mountain in the distance", 0, "jungle without a mountain in the distance", "jungle"),
        ("a street with many trees", 0, "a street without trees", "a street"),
        ("view of a desert with a white tent and a black kite", 0,
         "view of a desert without a white tent and a black kite", "view of a desert"),
        ("two dogs and a cat", 0, "two dogs and no cat", "two dogs"),
        ("red ball and a star in the snow", 0, "red ball but not a star in the snow", "red ball in the snow"),
        ("a person on skis makes her way through the snow", 1,
         "a person on skis does not make her way through the snow", "a person on skis"),
        ("people walk on the beach", 0, "people do not walk on the beach", "people"),
        ("the man laid his hat on the table", 0, "the man did not lay his hat on the table", "the man on the table"),
        ("a dog is running on the beach", 0, "a dog is not running on the beach", "a dog"),
        ("the house was designed by an architect", 0, "the house was not designed by an architect", "the house"),
        ("a boy has climbed a tree", 0, "a boy has not climbed a tree", "a boy"),
        ("the porch has a view of the ocean", 0, "the porch has no view of the ocean", "the porch"),
        ("a dog can catch a ball", 0, "a dog cannot catch a ball", "a dog"),
        ("there is a dog on the sofa", 0, "there is no dog on the sofa", "on the sofa"),
        ("a man wearing a red hat", 0, "a man wearing no red hat", "a man"),
        ("a man slowly opens a door", 0, "a man does not slowly open a door", "a man"),
        ("a man stands and holds a flag", 0, "a man stands and holds no flag", "a man stands"),
        ("girl with red hair , wearing a hat", 1, "girl with red hair , not wearing a hat", "girl with red hair"),
        ("a painting that shows a horse", 0, "a painting that does not show a horse", "a painting"),
        ("portrait of an owl", 0, "not a portrait of an owl", "portrait"),
        # without and no, as a person would say it
        ("a bench near a lake", 0, "a bench with no lake nearby", "a bench"),
        ("a bench next to the lake", 0, "a bench with no lake nearby", "a bench"),
        ("a man standing in front of a house", 0, "a man standing with no house in the background", "a man"),
        ("woman in a red dress", 0, "woman without a red dress", "woman"),
        ("heart on a white background", 0, "heart with no white background", "heart"),
        ("a woman wearing a hat", 0, "a woman not wearing a hat", "a woman"),
        ("a woman wearing a hat", 0, "a woman wearing no hat", "a woman"),
        ("a woman wearing a hat", 0, "a woman without a hat", "a woman"),
        ("a fence surrounded by flowers", 0, "a fence with no flowers", "a fence"),
        ("a beach with palm trees", 0, "a beach without palm trees", "a beach"),
        ("person poses with a dog", 0, "person poses without a dog", "person"),
        ("a chef preparing burgers", 0, "a chef preparing no burgers", "a chef"),
        ("a man sitting on a bench holding a book", 1, "a man sitting on a bench without holding a book",
         "a man sitting on a bench"),
        ("a man sitting on a bench and holding a book", 1, "a man sitting on a bench without holding a book",
         "a man sitting on a bench"),
        ("cameras , watches and lenses", 0, "cameras , watches and no lenses", "cameras , watches"),
        ("a flag that is on a dome", 0, "a flag that is not on a dome", "a flag"),
        # what the verb took with it leaves with it
        ("a girl has a smile on her face", 0, "a girl has no smile on her face", "a girl"),
        ("a woman reads a book that she bought", 0, "a woman does not read a book that she bought", "a woman"),
        ("police search the house where they live", 0, "police do not search the house where they live", "police"),
        # as COCO writes: capitals and punctuation stay as they were
        ("A dog, next to a cat.", 0, "A dog, not next to a cat.", "A dog."),
        ("Playing chess on a board.", 0, "Playing chess but not on a board.", "Playing chess."),
        ("Two men in Paris, France.", 0, "Two men not in Paris, France.", "Two men."),
        ("a bowl of cherries", 0, "a bowl without cherries", "a bowl"),
        ("a mug of tea on a tray", 0, "a mug with no tea on a tray", "a mug on a tray"),
        ("a girl on a swing", 0, "a girl who is not on a swing", "a girl"),
        ("a swing on a tree", 0, "a swing that is not on a tree", "a swing"),
        ("the gate of a castle", 0, "not the gate of a castle", "the gate"),
        ("the lake is calm", 0, "the lake is not calm", "the lake"),
        ("a dog is running", 0, "a dog is not running", "a dog"),
        ("strolling along the canal", 0, "strolling but not along the canal", "strolling"),
        # no and without where they read as well as not
        ("a lane during a storm", 0, "a lane without a storm", "a lane"),
        ("a pier at sunset", 0, "a pier with no sunset", "a pier"),
        ("a barn in the fog", 0, "a barn with no fog around", "a barn"),
        ("a hut by the sea", 0, "a hut with no sea nearby", "a hut"),
        ("hens behind a fence", 0, "hens with no fence in front", "hens"),
        ("a hotel overlooking the bay", 0, "a hotel with no bay in sight", "a hotel"),
        ("a clown in a blue hat on a stage", 0, "a clown without a blue hat on a stage", "a clown on a stage"),
        ("a girl under an umbrella", 0, "a girl without an umbrella", "a girl"),
        ("a pear isolated on a white background", 0, "a pear without a white background", "a pear"),
        ("a boy riding a bike", 0, "a boy with no bike", "a boy"),
        ("a man playing a guitar", 0, "a man without a guitar", "a man"),
        ("a boy is wearing a helmet", 0, "a boy is wearing no helmet", "a boy"),
        # forms that a person would write
        ("a boy with a scarf take a photo", 1, "a boy with a scarf does not take a photo", "a boy with a scarf"),
        ("a girl stands on a rock staring at the sea", 1, "a girl stands on a rock without staring at the sea",
         "a girl stands on a rock"),
        ("a lantern lit by a candle", 0, "a lantern not lit by a candle", "a lantern"),
        ("a boy with red hair and in a green coat", 1, "a boy with red hair and not in a green coat",
         "a boy with red hair"),
        ("foam out on the sand", 0, "foam not out on the sand", "foam out"),
        ("a glove left on a bench", 0, "a glove not left on a bench", "a glove left"),
        ("automobile model on a street", 0, "automobile model that is not on a street", "automobile model"),
        ("leaves and fruit of a fig", 0, "leaves and no fruit of a fig", "leaves"),
        ("a guide will probably open the gate", 0, "a guide will probably not open the gate", "a guide"),
        ("a hut after a storm at the coast", 0, "a hut without a storm at the coast", "a hut at the coast"),
        # the exclusion caption keeps nothing that hangs in the air
        ("a singer draws a crowd every time", 0, "a singer does not draw a crowd every time", "a singer"),
        ("fans cheer a player before a match", 0, "fans do not cheer a player before a match", "fans"),
        ("a nurse wears her hair falling over her shoulders", 0,
         "a nurse does not wear her hair falling over her shoulders", "a nurse"),
        ("a mother holding and kissing her baby", 0, "a mother holding and not kissing her baby", "a mother"),
        ("a sketch of a cook stirring a soup", 0, "a sketch of a cook not stirring a soup", "a sketch of a cook"),
        ("portrait of a knight with honor", 0, "not a portrait of a knight with honor", "portrait"),
        ("a cabin with a flag in window", 0, "a cabin with no flag in window", "a cabin"),
        ("two girls eat a cake with clouds in the background", 0,
         "two girls do not eat a cake with clouds in the background", "two girls"),
        ("a street with trees visible behind it", 0, "a street with no trees visible behind it", "a street"),
    ],
)  # fmt: skip
def test_what_is_written(text, number, negated, left):
    caption = read(text)
    assert negated in written(caption, number)
    assert exclusion(caption, caption.pairs[number]) == left


@pytest.mark.parametrize(
    ("text", "number", "unwanted"),
    [
        ("a father holding a baby", 0, "a father without a baby"),
        ("oxen pulling a cart through a brook", 0, "oxen without a cart through a brook"),
        ("children playing football", 0, "children without football"),
        ("a girl using her hands", 0, "a girl without her hands"),
        ("a hut near the sunset", 0, "a hut with no sunset nearby"),
        ("a wolf after a storm", 0, "a wolf not after a storm"),
        ("ponies decorated for a feast", 0, "ponies with no feast"),
    ],
)
def test_what_is_not_written(text, number, unwanted):
    made = written(read(text), number)
    assert made and unwanted not in made


@pytest.mark.parametrize(
    "text",
    [
        "sweeping the porch and hall",
        "tiles for kitchen and bathroom walls",
        "a mother and son looking at each other",
        "a portrait of a painter and poet",
    ],
)
def test_what_belongs_together_is_not_taken_apart(text):
    assert not [made for made in candidates(read(text)) if made.pair.kind == "and"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" . !", "empty"),
        ("a dog that is not on a mat", "already-negated"),
        ("a street without cars in the city", "already-negated"),
        ("why is the sky over the sea blue", "question"),
        ("a dog on a mat ?", "question"),
        ("see this porch decorated for the fall", "command"),
        ("beautiful and very old", "no-noun"),
        ("chocolate cake", "no-pair"),
        ("all people on the beach", "quantifier"),
        ("image may contain a dog", "no-rule"),
        ("i saw a dog on the beach", "conversation"),
        ("only two dogs play on the beach", "quantifier"),
        ("this is just a wooden bench", "no-rule"),
        ("did you know that a dog can swim", "question"),
        ("собака на ковре", "not-english"),
        ("ein hund auf dem teppich vor der tür", "not-english"),
        ("<b>a dog</b> on a mat", "markup"),
        ("a dog on a " + "very " * 90 + "red mat", "too-long"),
        ("a dog on a mat " * 100_000, "too-long"),
        ("some of the boats in a harbor", "quantifier"),
        ("turn old jars into lamps", "command"),
        ("hide the keys in a jar", "command"),
        ("use a brush on the wall", "command"),
    ],
)
def test_refusal(text, reason):
    (row,) = BACKEND.negate(rows_of([text]))
    assert (row["status"], row["reason"]) == ("refused", reason)
    assert row["negated_caption"] is None and row["chosen_pair"] == -1


@pytest.mark.parametrize(
    ("negated", "left", "problem"),
    [
        ("a dog that is not on a mat", "a dog", None),
        ("a dog on a mat", "a dog", "negation"),
        ("a dog not without a mat on a mat", "a dog", "negation"),
        ("a dog that is not", "a dog", "object"),
        ("a cat that is not on a mat", "a cat", "gone"),
        ("a dog that is not on a mat", "a dog mat", "still has the object"),
        ("a dog that is not on a mat", "a dog on", "end"),
        ("a dog that is not on a mat", "", "nothing"),
    ],
)
def test_faithfulness(negated, left, problem):
    caption = read("a dog on a mat")
    found = checks.unfaithful(caption, caption.pairs[0], "not", negated, left)
    assert found is None if problem is None else problem in found


def test_a_choice_between_words_follows_the_weights():
    for favourite in ("no", "without"):
        weights = {word: 9.0 if word == favourite else 1.0 for word in WEIGHTS}
        made = RuleBackend("lexicon", 0, weights).negate(rows_of(["a beach with a boat"] * 300))
        assert 250 < sum(row["negation_word"] == favourite for row in made) < 290


def test_every_pair_is_chosen_about_equally_often():
    made = RuleBackend("lexicon", 1, WEIGHTS).negate(rows_of(["a cat on a mat with a ball at night"] * 600))
    for number in range(3):
        assert 150 < sum(row["chosen_pair"] == number for row in made) < 250


def test_every_negation_word_has_a_form_and_a_caption_with_it_is_refused():
    assert {form.word for form in FORMS} == set(NEGATION_WORDS) <= forms.WORDS.negations


def test_a_new_negation_word_is_one_form_with_one_function(monkeypatch):
    def never(caption, pair):
        return Rewrite(caption).put(pair.predicate[0], "never").text()

    monkeypatch.setattr(forms, "FORMS", (Form("never-participle", "never", ("participle",), never),))
    monkeypatch.setattr(backend, "NEGATION_WORDS", (*NEGATION_WORDS, "never"))
    weights = backend.parse_weights("no=1,not=1,without=1,never=2")
    (row,) = RuleBackend("lexicon", 0, weights).negate(rows_of(["a man wearing a hat"]))
    assert (row["negation_word"], row["negated_caption"]) == ("never", "a man never wearing a hat")
    assert (row["rule"], row["exclusion_caption"]) == ("never-participle", "a man")
    with pytest.raises(
        ValueError, match="for each of no, not, without and never, such as no=1,not=1,without=1,never=1"
    ):
        backend.parse_weights("no=1,not=1,without=1")
