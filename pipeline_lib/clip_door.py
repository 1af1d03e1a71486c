"""The only door to `clip` and `torchvision`: openai-clip 1.0.1 made to work beside current torch.

Three rough edges, each smoothed where it is met:

1. ``clip.clip`` does ``from pkg_resources import packaging``; setuptools 82 has no ``pkg_resources`` any more. A
   stand-in module that holds ``packaging`` lies in its place while `clip` is imported.
2. torchvision's wheel is built for CUDA. Beside a CPU-only torch its import stops at ``operator torchvision::nms does
   not exist``. All that `clip` needs of it is ``torchvision.transforms``, which works alone: while `clip` is imported,
   a stand-in for the package leads to its folder without running its ``__init__`` (which would also load every model
   and torch's compiler, a second in each of the pipeline's jobs).
3. ``clip.load(path)`` cannot read a plain state_dict, and ``clip.model.build_model`` rounds weights to half precision.
   `load_clip` builds the model from the shapes in the state_dict and then loads the weights as they are.
"""

import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import packaging.version
import torch

from pipeline_lib.byte_pairs import encode
from pipeline_lib.files import atomic

_torchvision = types.ModuleType("torchvision")
_torchvision.__path__ = importlib.util.find_spec("torchvision").submodule_search_locations
_stand_ins = {"pkg_resources": types.SimpleNamespace(packaging=packaging), "torchvision": _torchvision}
_replaced = {name: sys.modules.get(name) for name in _stand_ins}
sys.modules.update(_stand_ins)
try:
    import clip
    from clip.model import CLIP, build_model
finally:
    for _name, _module in _replaced.items():
        if _module is None:
            del sys.modules[_name]
        else:
            sys.modules[_name] = _module

CONTEXT_LENGTH = 77
_tokenizer = clip.clip._tokenizer
START_TOKEN, END_TOKEN = _tokenizer.encoder["<|startoftext|>"], _tokenizer.encoder["<|endoftext|>"]


def tokenize(captions: list[str], cut: bool = False) -> torch.Tensor:
    """Tokenize captions with CLIP's byte-pair encoding: the numbers of ``clip.tokenize``, each word encoded once.

    Parameters
    ----------
    captions : list of str
        m captions.
    cut : bool
        Cut a caption that is too long, and say how many were, instead of refusing it.

    Returns
    -------
    Tensor of shape (m, 77), int64
        Start token, the caption, end token, zeros.

    Raises
    ------
    ValueError
        If a caption does not fit into 77 tokens and is not to be cut; the message quotes it.
    """
    too_long = 0
    tokens = np.zeros((len(captions), CONTEXT_LENGTH), dtype=np.int64)
    for row, caption in zip(tokens, captions, strict=True):
        numbers = [START_TOKEN, *encode(_tokenizer, caption), END_TOKEN]
        if len(numbers) > CONTEXT_LENGTH and cut:
            too_long += 1
            numbers = [*numbers[: CONTEXT_LENGTH - 1], END_TOKEN]
        elif len(numbers) > CONTEXT_LENGTH:
            raise ValueError(
                f"a caption must fit into {CONTEXT_LENGTH} tokens, but this one takes {len(numbers)}: {caption:.500}"
            )
        row[: len(numbers)] = numbers
    if too_long:
        print(f"{too_long:,} of {len(captions):,} captions are cut to CLIP's {CONTEXT_LENGTH} tokens")
    return torch.from_numpy(tokens)


def preprocess(n_px: int):
    """Return CLIP's image transform: bicubic resize, centre crop to `n_px`, RGB, to tensor, normalise."""
    return clip.clip._transform(n_px)


def load_openai_clip(name: str, download_root: str) -> CLIP:
    """Return OpenAI's CLIP `name` (such as ``"ViT-B/32"``) in fp32 on the CPU, downloading it where it is not there."""
    if name not in clip.available_models():
        raise ValueError(f"OpenAI published no CLIP {name!r}; expected one of {', '.join(clip.available_models())}")
    try:
        model, _ = clip.load(name, device="cpu", download_root=download_root)
    except (OSError, RuntimeError) as error:  # no network, no room, or a checksum that does not fit
        raise ValueError(
            f"the weights of {name} could not be had ({error}); put OpenAI's file into {download_root}/ yourself"
        ) from error
    return model.float()


def load_clip(path: str | Path) -> CLIP:
    """Load a checkpoint ``{"model": state_dict}`` as a CLIP in fp32 on the CPU, in evaluation mode.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, holds pickled code, or is not a CLIP checkpoint; the message names it.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    try:
        state_dict = torch.load(path, map_location="cpu", weights_only=True)["model"]
        model = build_model(dict(state_dict)).float()
        model.load_state_dict(state_dict)
    except Exception as error:  # torch raises a dozen unrelated types for a damaged or foreign file
        raise ValueError(
            f'{path}: expected a checkpoint {{"model": CLIP state_dict}}, found: {error!r:.300}'
        ) from error
    return model.eval()


def save_checkpoint(path: str | Path, model: CLIP) -> None:
    """Write ``{"model": state_dict}`` atomically; ``torch.load(weights_only=True)`` reads it."""
    with atomic(path) as aside:
        torch.save({"model": model.state_dict()}, aside)
