"""Which rule makes a file of a run, by its path: what to do about one that is damaged."""

import re
from pathlib import Path

# Below results/<run>/, where a stage's folder has its name; where rules share a file's name, the configuration decides.
MADE_BY = {
    r"miniature/.+": "miniature",
    r"fetch/\d{5}\.(tar|parquet)": "fetch",
    r"fetch/(summary\.json|duplicates\.parquet)": "fetch_summary",
    r"captions/\d{5}\.parquet": "captions_negate",
    r"captions/quality\.html": "captions_quality",
    r"shards/((train|eval)-\d{5}\.tar|triplets-\d{5}\.parquet|counts-\d{5}\.json)": (
        "shards_build or shards_build_released"
    ),
    r"shards/(train\.parquet|eval\.parquet|index\.json)": "shards_index",
    r"shards/crepe\.parquet": "shards_crepe",
    r"shards/release\.parquet": "shards_release",
    r"backbones/[^/]+/(model\.pt|run\.json|history\.jsonl)": (
        "backbones_pretrain, backbones_openai or backbones_checkpoint"
    ),
    r"features/[^/]+/[^/]+/\d{5}\.safetensors": "features",
    r"distractors/train\.parquet": "distractors_choose or distractors_released",
    r"finetune/[^/]+/(model\.pt|run\.json|history\.jsonl)": "finetune",
    r"evaluate/[^/]+/run\.json": "evaluate_ccneg_transformers",
    r"evaluate/[^/]+/embeddings\.json": "evaluate_ccneg",
    r"evaluate/blind-[^/]+/ccneg\.(json|parquet)": "evaluate_blind",
    r"evaluate/blind-[^/]+/[^/]+\.(json|parquet)": "evaluate_blind_benchmark",
    r"evaluate/[^/]+/ccneg\.(json|parquet)": "evaluate_ccneg or evaluate_ccneg_transformers",
    r"evaluate/[^/]+/zeroshot\.(json|parquet)": "evaluate_zeroshot",
    r"evaluate/[^/]+/[^/]+\.(json|parquet)": "evaluate_benchmark",
    r"(tables\.parquet|tables/[^/]+)": "paper_tables",
    r"figures/[^/]+": "paper_figures",
    r"report\.html": "paper_report",
}
SHOWN = r"(.*/)?results/(tables\.parquet|active-run\.txt|tables/[^/]+)"


def made_by(path: str | Path) -> str | None:
    """Return the rule that makes a file, or the rules of which the configuration chooses one; None for another file."""
    path = Path(path).as_posix()
    if re.fullmatch(SHOWN, path):
        return "show_tables"
    return next((rule for end, rule in MADE_BY.items() if re.fullmatch(rf"(.*/)?results/[^/]+/{end}", path)), None)


def remedy(path: str | Path) -> str:
    """Return what to do about a damaged file. It is asked for by name: a finished run does not miss it."""
    rule, path = made_by(path), Path(path).as_posix()
    if rule is None:
        return "delete it and make it, or get it, again"
    target = path[path.rindex("results/") :]
    return f"delete it, and the rule {rule} makes it: snakemake --cores 8 {target}, with the run's --configfile"
