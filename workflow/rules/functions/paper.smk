# Functions of the rules in paper.smk.
from pipeline_lib.config.checks import evaluated_models
from pipeline_lib.evaluate.kinds import WITHOUT_ITEMS
from pipeline_lib.paper.outputs import CAPTION_FORMAT

EVALUATED = {
    # Where a CLIP or a fine-tuned model is evaluated on CC-Neg, its texts' embeddings are measured too.
    model: [*names, *(["embeddings"] if "ccneg" in names and model not in (*OTHERS, *BLIND) else [])]
    for model, names in evaluated_models(config, EXPERIMENTS).items()
}
METRICS = [f"{RUN}/evaluate/{model}/{name}.json" for model, names in EVALUATED.items() for name in names]
SCORES = [path.removesuffix("json") + "parquet" for path in METRICS if Path(path).stem not in WITHOUT_ITEMS]
CCNEG_SCORES = [path for path in SCORES if Path(path).name == "ccneg.parquet"]


def reported(folder, items, formats):
    """The files of tables or figures as items of Snakemake's report, each with its own caption and labels.

    A caption is a file that the rule writes beside the item; one of the workflow's could not tell a rule's items apart.
    """
    files = []
    for name, item in items.items():
        stem = f"{RUN}/{folder}/{name}"
        texts = {
            "caption": os.path.abspath(f"{stem}.{CAPTION_FORMAT}"),
            "category": folder.capitalize(),
            "subcategory": item.title,
        }
        for suffix in formats:
            labels = {folder.removesuffix("s"): name, "format": suffix.upper()}
            files.append(report(f"{stem}.{suffix}", labels=labels, **texts))
    return files
