"""Which kinds of benchmark there are. Imports nothing, so that the workflow can read it without loading torch.

A benchmark of config ``evaluate.benchmarks`` names its kind; the kind's module is ``pipeline_lib.evaluate.KIND`` with
``_`` for ``-``. CC-Neg and zero-shot classification have other inputs and rules of their own.
"""

#: Kind -> the parts of its annotations, a file ``PART.json`` each in one folder; no part: the annotations are one file.
KINDS = {
    "mcq": (),
    "retrieval": (),
    "valse": (),
    "negrefcocog": (),
    "sugarcrepe": ("replace_obj", "replace_att", "replace_rel", "add_obj", "add_att", "swap_obj", "swap_att"),
    "sugarcrepe-plus": ("replace_obj", "replace_att", "replace_rel", "swap_obj", "swap_att"),
}

#: SugarCREPE's groups, each the plain mean of its parts.
SUGARCREPE_GROUPS = {
    "replace": ("replace_obj", "replace_att", "replace_rel"),
    "add": ("add_obj", "add_att"),
    "swap": ("swap_obj", "swap_att"),
}

MOST_PAIRS = 5  # CC-Neg as released counts 1 to 5 pairs; captions with more are counted with 5

#: Benchmarks whose numbers are of all texts together and not means over items.
WITHOUT_ITEMS = ("embeddings",)

#: Models of CC-Neg that see no image (`pipeline_lib.evaluate.blind`).
BLIND = ("blind-rule", "blind-words")


def annotation_files(kind: str, annotations: str) -> list[str]:
    """Return the files that a benchmark's annotations are made of.

    Parameters
    ----------
    kind : str
        A key of `KINDS`.
    annotations : str
        The config's path: a file, or the folder of the kind's parts.
    """
    return [f"{annotations}/{part}.json" for part in KINDS[kind]] or [annotations]


def kind_module(kind: str) -> str:
    """Return the module of a kind, below `pipeline_lib`."""
    return f"evaluate.{kind.replace('-', '_')}"
