"""What a run takes from outside: the files and folders that its configuration names and that nothing here makes."""

from pathlib import Path

from pipeline_lib.config.checks import pool_paths
from pipeline_lib.evaluate.kinds import annotation_files
from pipeline_lib.formats.crepe import captions_files
from pipeline_lib.readers.reader import find_reader, present


def external_files(config: dict) -> dict[str, list[str]]:
    """Return the files and folders that a run takes from outside, by the configuration's key.

    What the run makes itself (``<run>/...``) is not among them, nor what this repository has (``config/...``), nor
    OpenAI's weights where they are fetched on first use.
    """
    models = config["backbones"]["models"]
    pretrained = any(model["source"] == "pretrain" for model in models)
    named = _ccneg(config) | {
        "backbones/pretrain/images": [config["backbones"]["pretrain"]["images"]] if pretrained else [],
        "finetune/crepe_captions": captions_files(config["finetune"]["crepe_captions"]),
        **{f"backbones/models/{model['name']}": [model["path"]] for model in models if "path" in model},
        **{
            f"evaluate/zeroshot/datasets/{entry['name']}/{key}": [entry[key]]
            for entry in config["evaluate"]["zeroshot"]["datasets"]
            for key in ("classes", "templates")
            if key in entry
        },
        **{
            f"evaluate/benchmarks/{entry['name']}": annotation_files(entry["kind"], entry["annotations"])
            for entry in config["evaluate"]["benchmarks"]
        },
        **{
            f"evaluate/transformers/{entry['name']}": _model(entry["path"])
            for entry in config["evaluate"]["transformers"]
        },
        **{
            f"features/pools/{pool['name']}": find_reader(pool.get("reader", "tar")).needs(*pool_paths(pool))
            for pool in config["features"]["pools"]
        },
    }
    kept = {key: [path for path in paths if not _is_here(path)] for key, paths in named.items()}
    return {key: paths for key, paths in kept.items() if paths}


def _ccneg(config: dict) -> dict[str, list[str]]:
    """What CC-Neg and its distractors come from."""
    release, mapping = config["shards"]["released"], config["distractors"]["released"] or {}
    files = {f"distractors/released/{key}": [path] for key, path in mapping.items()}
    if release is None:
        return {"fetch/captions": [config["fetch"]["captions"]], **files}
    return {f"shards/released/{key}": [release[key]] for key in ("annotations", "images")} | files


def _model(folder: str) -> list[str]:
    """The files of a model for `transformers`, as `pipeline_lib.evaluate.image_text_models` reads them."""
    weights = present(f"{folder}/model.safetensors", f"{folder}/pytorch_model.bin")
    words = present(f"{folder}/tokenizer.json", f"{folder}/vocab.txt")
    return [f"{folder}/config.json", f"{folder}/preprocessor_config.json", weights, words]


def _is_here(path: str) -> bool:
    """Whether the run makes a file itself, or this repository has it."""
    return path.startswith("<") or (path.startswith("config/") and Path(path).exists())


def fetched_weights(config: dict) -> dict[str, list[str]]:
    """Return the files of OpenAI's weights that are fetched on first use, by the configuration's key."""
    return {
        f"backbones/models/{model['name']}": [f"data/openai-clip/{model['released'].replace('/', '-')}.pt"]
        for model in config["backbones"]["models"]
        if model["source"] == "openai" and "path" not in model
    }


def missing_data(config: dict) -> list[str]:
    """Return one line per key at which the configuration names something from outside that is not there."""
    layouts = {
        f"features/pools/{pool['name']}": f" ({find_reader(pool.get('reader', 'tar')).layout})"
        for pool in config["features"]["pools"]
    }
    lines = []
    for key, paths in external_files(config).items():
        if missing := [path for path in paths if not Path(path).exists()]:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            lines.append(f"{key}: {missing[0]}{more}{layouts.get(key, '')}")
    return lines
