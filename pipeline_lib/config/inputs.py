"""What a run takes from outside: the files and folders that its configuration names and that nothing here makes."""

import re
from pathlib import Path
from typing import NamedTuple

from pipeline_lib.evaluate.kinds import annotation_files
from pipeline_lib.evaluate.prompts import class_files
from pipeline_lib.formats.crepe import captions_files
from pipeline_lib.readers.reader import find_reader, present

SHIPPED = Path(__file__).parents[2] / "config"
REMOTE = "data/remote/"  # where copies of files lie that the configuration names by an address
ADDRESS = re.compile(r"(s3|https?)://(.*)")
PLAIN_PATH = re.compile(r"(?!\.\.?/)[\w.:=+-]+(/(?!\.\.?(/|$))[\w.=+-]+)+", re.ASCII)


class PoolJob(NamedTuple):
    """What one job encodes of a pool: part `part` of `parts` of what `reader` finds at the paths `images`."""

    reader: str
    images: list[str]
    part: int = 0
    parts: int = 1


def local_paths(value: object, source: Path) -> object:
    """Return a part of the configuration with paths as this machine has them.

    Files ``config/...`` that are not here are those of `source`, so a run in another folder has the sheets and lists of
    names of this repository, unless it has its own. An address ``s3://BUCKET/KEY`` or ``https://HOST/PATH`` becomes the
    path of its copy below `REMOTE`. Raises `ValueError` for an address that cannot be a path.
    """
    if isinstance(value, dict):
        return {key: local_paths(part, source) for key, part in value.items()}
    if isinstance(value, list):
        return [local_paths(part, source) for part in value]
    if not isinstance(value, str):
        return value
    if address := ADDRESS.fullmatch(value):
        if not PLAIN_PATH.fullmatch(address[2]):
            expected = "an address s3://BUCKET/KEY or https://HOST/PATH of a file, in letters, digits and . : = + - _ /"
            raise ValueError(f"expected {expected}; found {value!r}. Download such a file yourself and name its path")
        return f"{REMOTE}{address[1]}/{address[2]}"
    shipped = source / value
    return str(shipped) if value.startswith("config/") and not Path(value).exists() and shipped.exists() else value


def missing_copies(config: dict) -> dict[str, str]:
    """Return the copies below `REMOTE` that a run needs and that are not there: path there -> address."""
    named = {path for paths in external_files(config).values() for path in paths if path.startswith(REMOTE)}
    copies = sorted(path.removeprefix(REMOTE) for path in named if not Path(path).exists())
    return {copy: copy.replace("/", "://", 1) for copy in copies}


def pool_paths(pool: dict) -> list[str]:
    """Return the paths of an entry of ``features/pools``, which may name a single one."""
    return [pool["images"]] if isinstance(pool["images"], str) else pool["images"]


def pool_jobs(pool: dict) -> list[PoolJob]:
    """Return the jobs that encode an entry of ``features/pools``: one per part, or per tar where it names several."""
    reader, paths = pool.get("reader", "tar"), pool_paths(pool)
    if reader == "tar" and len(paths) > 1:
        return [PoolJob(reader, [path]) for path in paths]
    parts = pool.get("parts", 1)
    return [PoolJob(reader, paths, part, parts) for part in range(parts)]


def external_files(config: dict) -> dict[str, list[str]]:
    """Return the files and folders that a run takes from outside, by the configuration's key.

    Without those that the run makes itself (``<run>/...``), those of this repository (``config/...``) and OpenAI's
    weights where they are downloaded on first use.
    """
    models, evaluate = config["backbones"]["models"], config["evaluate"]
    pretrained = any(model["source"] == "pretrain" for model in models.values())
    release, mapping = config["shards"]["released"], config["distractors"]["released"] or {}
    named = {
        "fetch/captions": [config["fetch"]["captions"]] if release is None else [],
        **{f"shards/released/{key}": [release[key]] for key in ("annotations", "images") if release},
        **{f"distractors/released/{key}": [path] for key, path in mapping.items()},
        "backbones/pretrain/images": [config["backbones"]["pretrain"]["images"]] if pretrained else [],
        "finetune/crepe_captions": captions_files(config["finetune"]["crepe_captions"]),
        **{f"backbones/models/{name}": [model["path"]] for name, model in models.items() if "path" in model},
    }
    for name, entry in evaluate["zeroshot"]["datasets"].items():
        named[f"evaluate/zeroshot/datasets/{name}/classes"] = class_files(entry)
        named[f"evaluate/zeroshot/datasets/{name}/templates"] = [entry["templates"]] if "templates" in entry else []
    for name, entry in evaluate["benchmarks"].items():
        named[f"evaluate/benchmarks/{name}"] = annotation_files(entry["kind"], entry["annotations"])
    for name, entry in evaluate["transformers"].items():
        named[f"evaluate/transformers/{name}"] = _model(entry["path"])
    for name, pool in config["features"]["pools"].items():
        named[f"features/pools/{name}"] = find_reader(pool.get("reader", "tar")).needs(*pool_paths(pool))
    kept = {key: [path for path in paths if not _is_here(path)] for key, paths in named.items()}
    return {key: paths for key, paths in kept.items() if paths}


def _model(folder: str) -> list[str]:
    """The files of a model for `transformers`, as `pipeline_lib.evaluate.ccneg_transformers` reads them."""
    weights = present(f"{folder}/model.safetensors", f"{folder}/pytorch_model.bin")
    words = present(f"{folder}/tokenizer.json", f"{folder}/vocab.txt")
    return [f"{folder}/config.json", f"{folder}/preprocessor_config.json", weights, words]


def _is_here(path: str) -> bool:
    """Whether the run makes a file itself, or this repository has it."""
    shipped = path.startswith("config/") or Path(path).resolve().is_relative_to(SHIPPED)
    return path.startswith("<") or (shipped and Path(path).exists())


def fetched_weights(config: dict) -> dict[str, list[str]]:
    """Return the files of OpenAI's weights that are downloaded on first use, by the configuration's key."""
    return {
        f"backbones/models/{name}": [f"data/openai-clip/{model['released'].replace('/', '-')}.pt"]
        for name, model in config["backbones"]["models"].items()
        if model["source"] == "openai" and "path" not in model
    }


def missing_data(config: dict) -> list[str]:
    """Return one line per key at which the configuration names something from outside that is not to be had."""
    lines = []
    for key, paths in external_files(config).items():
        if missing := [path for path in paths if not (Path(path).exists() or path.startswith(REMOTE))]:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            pool = config["features"]["pools"].get(key.removeprefix("features/pools/"))
            layout = f" ({find_reader(pool.get('reader', 'tar')).layout})" if pool and "pools" in key else ""
            lines.append(f"{key}: {missing[0]}{more}{layout}")
    return lines
