"""Which targets can be made with the data that are here, and what to ask Snakemake for."""

from collections.abc import Collection, Iterable
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
    """

    name: str
    outputs: list[str]
    count: int
    lacks: list[str]


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
    run = f"results/{config['run']}"

    def target(name: str, files: Iterable[tuple[str, set[str]]]) -> Target:
        files = list(files)
        outputs = [path for path, needed in files if not needed & set(unusable)]
        lacks = set().union(*(needed for _, needed in files)) & set(unusable)
        return Target(name, outputs, len(files), sorted(lacks))

    found = []
    if not config["shards"].get("released"):
        found.append(target("fetch", [(f"{run}/fetch/summary.json", needs.shards())]))
        found.append(target("captions", [(f"{run}/captions/quality.html", needs.shards())]))
    found.append(target("CC-Neg", [(f"{run}/shards/index.json", needs.shards())]))
    found.append(target("distractors", [(f"{run}/distractors/train.parquet", needs.distractors())]))
    found.append(
        target("backbones", [(f"{run}/backbones/{name}/model.pt", needs.backbone(name)) for name in needs.backbones])
    )
    found.append(
        target(
            "fine-tuned models",
            [(f"{run}/finetune/{name}/model.pt", needs.model(name)) for name in needs.finetuned],
        )
    )
    files = {
        (benchmark, model): (f"{run}/evaluate/{model}/{benchmark}.json", needed | needs.model(model))
        for benchmark, needed in needs.benchmarks().items()
        for model in needs.evaluated(benchmark)
    }
    for benchmark in needs.benchmarks():
        found.append(target(benchmark, [file for (name, _), file in files.items() if name == benchmark]))
    everything = set().union(*(needed for _, needed in files.values()))
    return [*found, target("all tables", [("results/tables.parquet", everything)])]


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
