"""Which terms each loss is the mean of. Imports nothing, so that the workflow can read it without loading torch.

A loss is added here (a term in `pipeline_lib.finetune.loss`); it is then a value of the column ``loss`` in the sheet of
experiments.
"""

LOSSES = {
    "l1": ("l1",),
    "l2": ("l2",),
    "l1+l2": ("l1", "l2"),
    "conclip": ("l1", "l2", "l3"),
}
LOSS_LABELS = {"l1": "L1", "l2": "L2", "l1+l2": "L1+L2", "conclip": "L_conclip"}  # as tables and figures show it
TERMS_WITH_DISTRACTORS = ("l2", "l3")


def needs_distractors(loss: str) -> bool:
    """Return whether a loss of `LOSSES` uses distractor images."""
    return any(term in TERMS_WITH_DISTRACTORS for term in LOSSES[loss])
