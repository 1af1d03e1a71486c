"""Which rule makes a file of a run, by its path: what to do about one that is damaged."""

import re
from pathlib import Path

# Below results/<run>/, where a stage's folder has its name; where rules share a file's name, the configuration decides.
MADE_BY = {
    r"miniature/.+": "miniature",
    r"fetch/\d{5}\.(tar|parquet)": "fetch",
    r"fetch/(summary\.json|duplicates\.parquet)": "fetch_summary",
    r"captions/\d{5}\.parquet": "negate",
    r"captions/quality\.html": "captions_quality",
    r"shards/((train|eval)-\d{5}\.tar|triplets-\d{5}\.parquet|counts-\d{5}\.json)": "shards or shards_released",
    r"shards/(train\.parquet|eval\.parquet|index\.json)": "shards_index",
    r"shards/crepe\.parquet": "crepe_triplets",
    r"shards/release\.parquet": "release",
    r"backbones/[^/]+/(model\.pt|run\.json|history\.jsonl)": "pretrain, released or read_checkpoint",
    r"features/[^/]+/[^/]+/\d{5}\.safetensors": "features",
    r"distractors/train\.parquet": "distractors or distractors_released",
    r"finetune/[^/]+/(model\.pt|run\.json|history\.jsonl)": "finetune",
    r"evaluate/[^/]+/run\.json": "evaluate_ccneg_transformers",
    r"evaluate/[^/]+/embeddings\.json": "evaluate_ccneg",
    r"evaluate/[^/]+/ccneg\.(json|parquet)": "evaluate_ccneg, evaluate_ccneg_transformers or evaluate_blind",
    r"evaluate/[^/]+/zeroshot\.(json|parquet)": "evaluate_zeroshot",
    r"evaluate/[^/]+/[^/]+\.(json|parquet)": "evaluate_benchmark",
}
TABLES = r"(.*/)?results/(tables\.parquet|active-run\.txt|tables/[^/]+)"


def made_by(path: str | Path) -> str | None:
    """Return the rule that makes a file, or the rules of which the configuration chooses one; None for another file."""
    path = Path(path).as_posix()
    if re.fullmatch(TABLES, path):
        return "tables"
    return next((rule for end, rule in MADE_BY.items() if re.fullmatch(rf"(.*/)?results/[^/]+/{end}", path)), None)


def remedy(path: str | Path) -> str:
    """Return what to do about a damaged file: ``delete it and run the same command again: the rule …``."""
    rule = made_by(path)
    if rule is None:
        return "delete it and make it, or get it, again"
    return f"delete it and run the workflow again: the rule {rule} makes it"
