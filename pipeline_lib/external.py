"""What a run takes from outside: the files and folders that its configuration names and that nothing here makes."""

from pathlib import Path

from pipeline_lib.evaluate.kinds import annotation_files
from pipeline_lib.readers.catalogue import READERS
from pipeline_lib.settings import pool_paths


def external_files(config: dict) -> dict[str, list[str]]:
    """Return the files and folders that a run takes from outside, by the configuration's key.

    What the run makes itself (``<run>/...``) is not among them, nor what this repository has (``config/...``), nor
    OpenAI's weights, which are fetched on first use.
    """
    named = {
        "fetch/captions": [config["fetch"]["captions"]],
        "finetune/crepe_captions": [config["finetune"]["crepe_captions"]],
        **{
            f"evaluate/zeroshot/datasets/{entry['name']}/{key}": [entry[key]]
            for entry in config["evaluate"]["zeroshot"]["datasets"]
            for key in ("classes", "templates")
            if key in entry
        },
        **{f"evaluate/benchmarks/{entry['name']}": _annotations(entry) for entry in config["evaluate"]["benchmarks"]},
        **{
            f"features/pools/{pool['name']}": READERS[pool.get("reader", "tar")].needs(*pool_paths(pool))
            for pool in config["features"]["pools"]
        },
    }
    kept = {key: [path for path in paths if not _is_here(path)] for key, paths in named.items()}
    return {key: paths for key, paths in kept.items() if paths}


def _annotations(benchmark: dict) -> list[str]:
    """The files of a benchmark, or the folder that they are to be in where there is none."""
    kind, path = benchmark["kind"], benchmark["annotations"]
    return annotation_files(kind, path) if Path(path).exists() else [path]


def _is_here(path: str) -> bool:
    """Whether the run makes a file itself, or this repository has it."""
    return path.startswith("<") or (path.startswith("config/") and Path(path).exists())


def fetched_weights(config: dict) -> dict[str, list[str]]:
    """Return the files of OpenAI's weights, which are fetched on first use, by the configuration's key."""
    return {
        f"backbones/models/{model['name']}": [f"data/openai-clip/{model['released'].replace('/', '-')}.pt"]
        for model in config["backbones"]["models"]
        if model["source"] == "openai" and "path" not in model
    }


def missing_data(config: dict) -> list[str]:
    """Return one line per file or folder that a run takes from outside and that is not there."""
    pools = config["features"]["pools"]
    layouts = {f"features/pools/{pool['name']}": READERS[pool.get("reader", "tar")].layout for pool in pools}
    return [
        f"{key}: {path}" + (f" ({layouts[key]})" if key in layouts else "")
        for key, paths in external_files(config).items()
        for path in paths
        if not Path(path).exists()
    ]
