"""What the stage writes, by name, and what a reader should see in it.

Imports nothing, so that the workflow can list the files as outputs without loading pandas.
"""

from typing import NamedTuple


class Exhibit(NamedTuple):
    """A table or a figure."""

    title: str
    caption: str  # what the paper's counterpart shows and what to look for here, in a sentence or two


HEADLINE = Exhibit(
    "Headline",
    "Percent. CC-Neg: how often the true caption beats its negation (chance 50). Zero-shot: mean top-1 over the "
    'datasets under a plain prompt. Negated prompt: the same under "this is not a photo of a …", where a model that '
    "understands the negation scores low. SugarCREPE: mean of replace, add and swap (chance 50).",
)

FETCH = Exhibit(
    "Links without an image",
    "One link in eight of CC3M was dead at the end of 2021, and more are each year. Look for a class or a host that "
    "stands out. `snakemake retry_failed` asks again where that may help.",
)

TABLES = {
    "ccneg": Exhibit(
        "CC-Neg",
        "The paper's CLIPs prefer the true caption to its negation in about two of three images, CoN-CLIP nearly "
        "always. Look for CLIP nearer to chance (50) than to the ceiling, and for CoN-CLIP at the ceiling. The "
        "text-only models see no image: blind-rule takes a caption with no, not or without for the wrong one, "
        "blind-words has learned the words of the training captions. What they reach needs no image; a tie counts as "
        "correct.",
    ),
    "ccneg-by-word": Exhibit(
        "CC-Neg by negation word",
        "The paper splits CC-Neg by the word that negates. Look for one word that a model fails on; gains should not "
        "come from a single word.",
    ),
    "ccneg-by-pairs": Exhibit(
        "CC-Neg by number of predicate-object pairs",
        "More pairs make a longer caption of which only one part is negated. Look for accuracy that falls as the "
        "number of pairs grows.",
    ),
    "zeroshot": Exhibit(
        "Zero-shot classification",
        "In the paper CoN-CLIP keeps or raises CLIP's top-1 on all eight datasets. Look for gains that are not "
        "negative, under every prompt. Bare: the class name alone, as the paper's tables (ImageNet: CLIP's 80 "
        'templates); photo: "a photo of a …."; ensemble: CLIP\'s templates of the dataset; plain: "this is a photo of '
        'a …". The gain is in points over the CLIP of the same backbone under the same prompt.',
    ),
    "negated-prompt": Exhibit(
        "Zero-shot classification under a negated prompt",
        'The prompt says "this is not a photo of a …". In the paper CLIP classifies as if "not" were absent, while '
        "CoN-CLIP turns away from the named class. A large delta (plain − negated) is the wanted result.",
    ),
    "sugarcrepe": Exhibit(
        "SugarCREPE",
        "Does learning negation cost compositional understanding? In the paper replace and swap stay about where they "
        "were and add rises. Chance is 50; replace, add and swap are plain means of their parts, and mean is theirs.",
    ),
    "negation": Exhibit(
        "Later negation benchmarks",
        "The paper has none of them. NegBench's published CoN-CLIP and Neg-CLIP may have been measured without "
        "QuickGELU. Accuracy; for retrieval R@1 and R@5 from text to image. Where a negated caption "
        "is the true one, a model that takes a negation word for the mark of a wrong caption falls below CLIP: look "
        "for that beside its CC-Neg accuracy. Parts are in tables.parquet.",
    ),
    "ablation": Exhibit(
        "Ablation of the loss",
        "In the paper the negated captions in L1 are what teaches CC-Neg, L2 (distractor images) alone does not, and "
        "the full L_conclip has the best mean zero-shot top-1 (under the bare prompt, here too). L1 on CREPE-Negate "
        "shows that the data matters too.",
    ),
    "embeddings": Exhibit(
        "Spread of the text embeddings",
        "Do the negated captions collapse, that is, does a model move them all to one place? Of CC-Neg's captions and "
        "negated captions: the mean cosine of two different ones, and the number of dimensions in which they vary (the "
        "participation ratio of their covariance). Look for negated captions whose cosine nears 1, or whose dimensions "
        "are fewer, where the captions' are not: L1 is content with that, since a negated caption is wrong for every "
        "image, while L3 needs to tell one from another. Own negation: the mean cosine of a caption with its negation; "
        "a model that tells them apart has a lower one than CLIP.",
    ),
}

CLAIMS = Exhibit(
    "What the paper claims, as directions",
    "Each claim is about one number and a bound on it: it holds if all of the number's 95 % interval keeps the bound, "
    "does not hold if none of it does, and is undecided between. The bounds and their reasons stand in "
    "pipeline_lib/paper/tables/claims.py.",
)

#: Beside the published number: within the row's interval, widened by the number's own rounding, or not.
VERDICTS = ("reproduced", "not reproduced", "not comparable")

#: Why a row is not comparable -> what that means.
REASONS = {
    "other backbone": "the paper does not have this backbone",
    "other data": "CC-Neg made here is another than the authors' 40,000 items",
    "other datasets": "the paper's mean is over its own eight datasets",
    "other prompt": "published under another prompt only",
    "backbone not named": "published without saying of which backbone",
    "recalled only": "the one known number is not confirmed",
    "nothing published": "no number of this cell is known",
}

FIGURES = {
    "intro": Exhibit(
        "Plain and negated prompts",
        "Mean zero-shot top-1 with a plain and with a negated prompt. CLIP barely notices the negation, CoN-CLIP does. "
        "Error bars: 95 % interval over items.",
    ),
    "negated-prompt": Exhibit(
        "Plain and negated prompts by dataset",
        "Top-1 with a plain prompt and with a negated one, joined by a line: its length is how far the negation moves "
        "a model. Look for long lines of CoN-CLIP on every dataset. Error bars: 95 % interval over items.",
    ),
    "score-examples": Exhibit(
        "Scores of captions and of their negations",
        "Above, items of CC-Neg drawn at random with the scores of both captions: a model is right where the caption "
        "scores higher. Below, the difference of the two over all items; each distribution is drawn to the same "
        "height, and what lies right of 0 is CC-Neg accuracy. Look for CLIP's around 0 and CoN-CLIP's beyond it.",
    ),
    "zeroshot-gain": Exhibit(
        "Zero-shot gain",
        "Largest, mean and smallest gain in top-1 of CoN-CLIP over CLIP across the zero-shot datasets, by backbone. "
        "Bare prompt, as in the paper. Error bars: 95 % interval over items; the largest and the smallest were picked, "
        "which theirs do not count.",
    ),
    "zeroshot-radar": Exhibit(
        "Zero-shot by dataset, as the paper draws it",
        "Top-1 per dataset on a radar, bare prompt. Areas exaggerate differences; the dot plot shows the same numbers "
        "on a line.",
    ),
    "zeroshot-dots": Exhibit(
        "Zero-shot by dataset",
        "Top-1 per dataset, CLIP's above CoN-CLIP's, bare prompt. The axis does not start at 0. Error bars: 95 % "
        "interval over items.",
    ),
    "ccneg-by-word": Exhibit(
        "CC-Neg by negation word",
        "Accuracy by negation word, with the number of items under each. Error bars: 95 % interval over items.",
    ),
    "ccneg-by-pairs": Exhibit(
        "CC-Neg by number of pairs",
        "Accuracy by number of predicate-object pairs in the caption, with the number of items under each. Error bars: "
        "95 % interval over items.",
    ),
    "ablation": Exhibit(
        "Ablation of the loss",
        "CC-Neg, SugarCREPE and mean zero-shot top-1 by training loss. L2 alone should stay near CLIP on CC-Neg. Error "
        "bars: 95 % interval over items.",
    ),
    "embeddings": Exhibit(
        "Spread of the text embeddings",
        "Mean cosine of two captions, of two negated captions, and of a caption and its negation; and in how many "
        "dimensions captions and negated captions vary. Negated captions that have moved to one place have a cosine "
        "near 1.",
    ),
    "training-curves": Exhibit(
        "Training curves",
        "Training loss by optimiser step. Losses of different rows are different sums; compare shapes, not heights.",
    ),
    "data-statistics": Exhibit(
        "What CC-Neg is made of",
        "Samples by negation word and by number of predicate-object pairs, in percent of their split, with the number "
        "of both splits under each; captions and negated captions by length; and the rows that are no sample, by what "
        "they lack or why they were refused. Look for splits that are alike.",
    ),
    "fetch-failures": Exhibit(
        "Links without an image",
        "Failed rows by class; colours are the hosts with most of them. One host's bar points at that host's rules.",
    ),
}

TABLE_FORMATS = ("csv", "md", "tex")
FIGURE_FORMATS = ("svg", "pdf", "png")

CAPTION_FORMAT = "rst"  # of an item's caption, which lies beside it

#: Everything in the tables folder, in the order in which the report shows it.
TABLE_ITEMS = {"headline": HEADLINE, **TABLES, "claims": CLAIMS}

#: Files in the tables folder.
TABLE_FILES = tuple(f"{name}.{suffix}" for name in TABLE_ITEMS for suffix in (*TABLE_FORMATS, CAPTION_FORMAT))

#: Files in the figures folder.
FIGURE_FILES = tuple(f"{name}.{suffix}" for name in FIGURES for suffix in (*FIGURE_FORMATS, CAPTION_FORMAT))
