"""Read the weights of a CLIP from the files in which people publish them.

=================================================  ====================================================================
``{"model": state_dict, …}``                       checkpoints of ours, and of the paper's authors, who pickled an
                                                   ``argparse.Namespace`` beside the weights
``{"state_dict": state_dict, …}``                  open_clip's training: Neg-CLIP, LaCLIP (LAION-400M); names may begin
                                                   with ``module.``
``config.json`` and ``model.safetensors``          a folder of a Hugging Face ``CLIPModel``
``open_clip_config.json``, its ``.safetensors``    a folder as open_clip publishes models
=================================================  ====================================================================

No file is trusted: a checkpoint is opened with ``weights_only=True``, so that it can hold weights and plain values, and
nothing in it is executed.
"""

import argparse
import re
from pathlib import Path
from pickle import UnpicklingError
from typing import NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pipeline_lib.backbones.huggingface import HEAD_WIDTH, activation_in, from_huggingface
from pipeline_lib.clip.load import pixel_statistics
from pipeline_lib.clip.torch_file import load_weights_only, memory_for
from pipeline_lib.jobs.files import read_json

NO_WEIGHTS = ("input_resolution", "context_length", "vocab_size")  # OpenAI's archives list these three among them


class Weights(NamedTuple):
    """What a file holds.

    Attributes
    ----------
    state_dict : dict of str to Tensor
        Under the names of ``clip.model.CLIP``; floating-point weights in fp32.
    activation : str or None
        With which they were trained, as the file says; None where it does not.
    """

    state_dict: dict[str, Tensor]
    activation: str | None


def read_weights(path: str | Path) -> Weights:
    """Read a checkpoint or a folder, whatever of the above it is.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`, or a folder lacks one of its files.
    ValueError
        If the file is damaged, holds pickled objects, is none of the above, or describes a model that is not a CLIP;
        the message names it.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    try:
        with memory_for(path):
            if not path.is_dir():
                found = _read_checkpoint(path)
            elif (path / "open_clip_config.json").is_file():
                found = _read_open_clip(path)
            else:
                found = _read_huggingface(path)
            return Weights(_checked(found.state_dict), found.activation)
    except FileNotFoundError:
        raise
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    except Exception as error:  # a description may have anything in any place, and a tensor any shape and type
        raise ValueError(f"{path}: not the weights and description of a CLIP ({error!r:.300})") from error


def _read_checkpoint(path: Path) -> Weights:
    content = _load(path)
    keys = sorted(map(str, content)) if isinstance(content, dict) else [type(content).__name__]
    for key in ("model", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            said = content.get("activation")
            return Weights(content[key], said if isinstance(said, str) else None)
    raise ValueError(f"expected weights under the key `model` or `state_dict`, found {', '.join(keys)[:200]}")


def _load(path: Path) -> object:
    """Return the content of a file of ``torch.save``; of all classes but torch's own, a Namespace alone is let in."""
    try:
        return load_weights_only(path, argparse.Namespace)
    except UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        inside = f"`{named[1]}`" if named else "something else"
        raise ValueError(
            f"expected weights and plain values, found {inside}, which is not loaded: a pickle can run any program. "
            "Have its weights saved as safetensors, or as a state_dict"
        ) from None
    except Exception as error:  # torch raises a dozen unrelated types for a damaged or foreign file
        raise ValueError(
            f"not a whole file of torch.save ({error!r:.200}); download it again. (OpenAI's own files are TorchScript: "
            "for them take the source `openai`)"
        ) from error


def _read_huggingface(path: Path) -> Weights:
    config = read_json(_file(path, "config.json"))
    state_dict = from_huggingface(_load_safetensors(_file(path, "model.safetensors")))
    if (path / "preprocessor_config.json").is_file():
        said = read_json(path / "preprocessor_config.json")
        _check_pixels(said.get("image_mean"), said.get("image_std"))
    return Weights(state_dict, activation_in(config, state_dict))


def _read_open_clip(path: Path) -> Weights:
    config = read_json(path / "open_clip_config.json")
    model = config.get("model_cfg", {})
    state_dict = _load_safetensors(_file(path, "open_clip_model.safetensors"))
    text, vision = model.get("text_cfg", {}), model.get("vision_cfg", {})
    expected, found = text.get("width", 0) // HEAD_WIDTH, text.get("heads")
    if found != expected or vision.get("head_width", HEAD_WIDTH) != HEAD_WIDTH:
        raise ValueError(f"expected heads of {HEAD_WIDTH} channels as CLIP has, found {text} and {vision}")
    pixels = config.get("preprocess_cfg", {})
    _check_pixels(pixels.get("mean"), pixels.get("std"))
    return Weights(state_dict, "quickgelu" if model.get("quick_gelu", False) else "gelu")


def _file(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise FileNotFoundError(
            f"{folder / name}: no such file; expected the folder of a Hugging Face CLIPModel (config.json, "
            "model.safetensors) or of open_clip (open_clip_config.json, open_clip_model.safetensors)"
        )
    return folder / name


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path.name} is not a whole safetensors file ({error}); download it again") from error


def _check_pixels(mean: list | None, std: list | None) -> None:
    """Refuse a model that wants its pixels normalised in another way than `clip` does; None is `clip`'s."""
    for name, found, expected in zip(("mean", "std"), (mean, std), pixel_statistics(), strict=True):
        if found is not None and [round(value, 4) for value in found] != [round(value, 4) for value in expected]:
            raise ValueError(f"expected images normalised with the {name} {expected} as CLIP does, found {found}")


def _checked(state_dict: dict) -> dict[str, Tensor]:
    """Return the weights in fp32, without prefix and without what is not a weight."""
    if others := [name for name, value in state_dict.items() if not isinstance(value, Tensor)]:
        raise ValueError(f"expected a tensor under each name, found {type(state_dict[others[0]]).__name__} {others[0]}")
    if empty := [name for name, value in state_dict.items() if not value.numel()]:
        raise ValueError(
            f"expected numbers under each name, found none under {empty[0]}, {tuple(state_dict[empty[0]].shape)}"
        )
    if all(name.startswith("module.") for name in state_dict):
        state_dict = {name.removeprefix("module."): value for name, value in state_dict.items()}
    state_dict = {
        name: value.float() if value.is_floating_point() else value
        for name, value in state_dict.items()
        if name not in NO_WEIGHTS
    }
    if broken := [name for name, value in state_dict.items() if not value.isfinite().all()]:
        raise ValueError(f"expected finite numbers, found others in {broken[0]}; download it again")
    return state_dict
