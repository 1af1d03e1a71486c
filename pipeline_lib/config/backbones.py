"""Check the entries of config `backbones.models`: which keys go with which source, and what fits together."""

#: Source of a model -> the keys of its entry in ``backbones/models`` that it must have, and those that it may have.
SOURCES = {
    "pretrain": (("architecture",), ()),
    "openai": (("released",), ("path",)),
    "checkpoint": (("path", "activation"), ("family", "backbone", "image_tower")),
}


def clip_backbones(config: dict) -> list[str]:
    """Return the models that are a CLIP: what tables list others beside, and what fine-tuning may start from."""
    return [model["name"] for model in config["backbones"]["models"] if "backbone" not in model]


def entry_problems(model: dict, clips: list[str], benchmarks: list[str]) -> list[str]:
    """Return what is wrong with an entry of ``backbones/models`` beyond its types.

    Parameters
    ----------
    model : dict
        The entry.
    clips : list of str
        As `clip_backbones` returns them.
    benchmarks : list of str
        The names of all benchmarks.

    Returns
    -------
    list of str
        What to write after the entry's name.
    """
    problems = [f": {problem}" for problem in _key_problems(model, clips)]
    problems += [
        f"/benchmarks: expected some of {', '.join(benchmarks)}, found {name!r}"
        for name in model.get("benchmarks", ())
        if name not in benchmarks
    ]
    if model["source"] == "pretrain" and "architecture" in model:
        problems += [f"/{problem}" for problem in _architecture_problems(model["architecture"])]
    return problems


def _key_problems(model: dict, clips: list[str]) -> list[str]:
    source = model["source"]
    required, optional = SOURCES[source]
    legal = ("name", "source", "benchmarks", *required, *optional)
    problems = [f"source {source} needs the key {key!r}" for key in required if key not in model]
    problems += [
        f"the key {key!r} does not go with source {source}; allowed: {', '.join(legal)}"
        for key in model
        if key not in legal
    ]
    if "backbone" in model:
        if model["backbone"] not in clips:
            problems.append(f"backbone: expected a CLIP among {', '.join(clips)}, found {model['backbone']!r}")
        if model.get("family", "CLIP") == "CLIP":
            problems.append("family: expected the name of its method, such as Neg-CLIP, beside a backbone")
    else:
        problems += [
            f"the key {key!r} needs the key 'backbone', the CLIP beside which tables list the model"
            for key in ("family", "image_tower")
            if key in model
        ]
    return problems


def _architecture_problems(architecture: dict) -> list[str]:
    """Return what `clip.model.CLIP` cannot build, or would build otherwise when it is loaded again."""
    width, patch, pixels = (architecture[key] for key in ("vision_width", "vision_patch_size", "image_resolution"))
    if isinstance(architecture["vision_layers"], list):
        problems = [] if pixels % 32 == 0 else [f"image_resolution: expected a multiple of 32, found {pixels}"]
        problems += [] if width % 2 == 0 else [f"vision_width: expected an even number, found {width}"]
        problems += [] if patch is None else [f"vision_patch_size: expected null for a ResNet, found {patch}"]
    elif patch is None:
        problems = ["vision_patch_size: expected a number of pixels for a ViT, found null"]
    else:
        problems = (
            [] if pixels % patch == 0 else [f"image_resolution: expected a multiple of the patch, found {pixels}"]
        )
        problems += [] if width % 64 == 0 else [f"vision_width: expected a multiple of 64 for a ViT, found {width}"]
    return problems
