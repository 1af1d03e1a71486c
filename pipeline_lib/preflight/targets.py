"""Which targets can be made with the data that are here, and what to ask Snakemake for."""

from collections.abc import Collection
from typing import NamedTuple

from pipeline_lib.preflight.needs import Needs


class Target(NamedTuple):
    """One or several files of the same kind.

    Attributes
    ----------
    name : str
        What it is, in words.
    outputs : list of str
        The files that can be made.
    count : int
        How many there are in all.
    lacks : list of str
        The configuration's keys whose data the other files wait for.
    after : str
        The name of the target for which the other files wait besides; empty where there is none.
    """

    name: str
    outputs: list[str]
    count: int
    lacks: list[str]
    after: str = ""


def targets(config: dict, needs: Needs, unusable: Collection[str]) -> list[Target]:
    """Return what can be made.

    Parameters
    ----------
    config : dict
        The checked configuration.
    needs : Needs
        Of that configuration.
    unusable : collection of str
        The configuration's keys whose data are missing or wrong.

    Returns
    -------
    list of Target
        In the order of the stages; the last one is the table of all results.
    """
    run, unusable = f"results/{config['run']}", set(unusable)

    def target(name: str, files: dict[str, set[str]]) -> Target:
        outputs = [path for path, needed in files.items() if not needed & unusable]
        return Target(name, outputs, len(files), sorted(set().union(*files.values()) & unusable))

    ccneg = needs.shards()
    found = (
        []
        if config["shards"]["released"]
        else [
            target("fetch", {f"{run}/fetch/summary.json": ccneg}),
            target("captions", {f"{run}/captions/quality.html": ccneg}),
        ]
    )
    found += [
        target("CC-Neg", {f"{run}/shards/index.json": ccneg}),
        target("distractors", {f"{run}/distractors/train.parquet": needs.distractors()}),
        target("backbones", {f"{run}/backbones/{name}/model.pt": needs.backbone(name) for name in needs.backbones}),
        target("fine-tuned models", {f"{run}/finetune/{name}/model.pt": needs.model(name) for name in needs.finetuned}),
    ]
    everything: set[str] = set()
    for benchmark, own in needs.benchmarks().items():
        models = {name: own | needs.model(name) for name in needs.evaluated(benchmark)}
        everything |= own.union(*models.values())
        files = {f"{run}/evaluate/{name}/{benchmark}.json": needed for name, needed in models.items()}
        scored = target(benchmark, files)
        lacks, waits = sorted(own & unusable), set(scored.lacks) - own
        found.append(scored._replace(lacks=lacks, after="models" if waits else ""))
    tables = target("all tables", {"results/tables.parquet": everything})
    return [*found, tables._replace(lacks=[], after="the above" if tables.lacks else "")]


def braces(paths: list[str]) -> str:
    """Return paths that differ in one part as a shell writes them: ``a/{b,c}/d``."""
    parts = [path.split("/") for path in paths]
    different = [position for position, values in enumerate(zip(*parts, strict=False)) if len(set(values)) > 1]
    if len(different) != 1 or len({len(part) for part in parts}) > 1:
        return " ".join(paths)
    (position,) = different
    start = list(parts[0])
    start[position] = "{" + ",".join(part[position] for part in parts) + "}"
    return "/".join(start)
