"""The only door to `clip` and `torchvision`: openai-clip 1.0.1 made to work beside current torch.

Three rough edges, each smoothed where it is met:

1. ``clip.clip`` does ``from pkg_resources import packaging``; setuptools 82 has no ``pkg_resources`` any more. A
   stand-in module that holds ``packaging`` lies in its place while `clip` is imported.
2. torchvision's wheel is built for CUDA. Beside a CPU-only torch its import stops at ``operator torchvision::nms does
   not exist``. All that `clip` needs of it is ``torchvision.transforms``, which works alone: while `clip` is imported,
   a stand-in for the package leads to its folder without running its ``__init__`` (which would also load every model
   and torch's compiler, a second in each of the pipeline's jobs).
3. ``clip.load(path)`` cannot read a plain state_dict, and ``clip.model.build_model`` rounds weights to half precision.
   `build_clip` builds the model from the shapes in the state_dict and then loads the weights as they are.

`clip` knows one activation, QuickGELU, which OpenAI's weights need and whatever was fine-tuned from them. CLIPs trained
from scratch elsewhere may have GELU instead. Nothing in a state_dict tells which, and the wrong one lowers every number
without an error: so a checkpoint of ours says it, and a model is always built with the one that its weights need.
"""

import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import packaging.version
import torch
from torch import nn

from pipeline_lib.clip.byte_pairs import encode
from pipeline_lib.clip.torch_file import check_zip, load_weights_only, memory_for, save_torch
from pipeline_lib.jobs.files import sha256
from pipeline_lib.jobs.rule_of_file import remedy

_torchvision = types.ModuleType("torchvision")
_torchvision.__path__ = importlib.util.find_spec("torchvision").submodule_search_locations
_stand_ins = {"pkg_resources": types.SimpleNamespace(packaging=packaging), "torchvision": _torchvision}
_replaced = {name: sys.modules.get(name) for name in _stand_ins}
sys.modules.update(_stand_ins)
try:
    import clip
    from clip.model import CLIP, QuickGELU, ResidualAttentionBlock, build_model
finally:
    for _name, _module in _replaced.items():
        if _module is None:
            del sys.modules[_name]
        else:
            sys.modules[_name] = _module

CONTEXT_LENGTH = 77
ACTIVATIONS = {"quickgelu": QuickGELU, "gelu": nn.GELU}
TOKENIZER = clip.clip._tokenizer
START_TOKEN, END_TOKEN = TOKENIZER.encoder["<|startoftext|>"], TOKENIZER.encoder["<|endoftext|>"]


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
        numbers = [START_TOKEN, *encode(TOKENIZER, caption), END_TOKEN]
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


def pixel_statistics() -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of each channel, with which `preprocess` normalises."""
    normalise = preprocess(1).transforms[-1]
    return list(normalise.mean), list(normalise.std)


def load_openai_clip(name: str, download_root: str, path: str | Path | None = None) -> CLIP:
    """Return one of OpenAI's CLIPs in fp32 on the CPU.

    The released files are TorchScript archives, which hold code beside weights. So a file is opened only if its
    SHA-256 is the one that `clip` lists for the model.

    Parameters
    ----------
    name : str
        Such as ``"ViT-B/32"`` or ``"RN50"``.
    download_root : str
        Folder into which the file is downloaded unless it lies there.
    path : str or Path, optional
        The released file, wherever it lies and whatever its name; nothing is downloaded then.

    Raises
    ------
    FileNotFoundError
        If there is no file at `path`.
    ValueError
        If OpenAI published no such model, the file is not the released one, or it cannot be downloaded.
    """
    if name not in clip.available_models():
        raise ValueError(f"OpenAI published no CLIP {name!r}; expected one of {', '.join(clip.available_models())}")
    if path is not None:
        *_, expected, released = clip.clip._MODELS[name].split("/")
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path}: no such file; expected {released}, as OpenAI released {name}")
        if (found := sha256(path)) != expected:
            raise ValueError(
                f"{path}: expected {released} as OpenAI released it for {name}, SHA-256 {expected}, found {found}; "
                "download it again, or take the source `checkpoint` for other weights"
            )
    try:
        model, _ = clip.load(name if path is None else str(path), device="cpu", download_root=download_root)
    except (OSError, RuntimeError) as error:  # no network, no room, or a checksum that does not fit
        raise ValueError(
            f"the weights of {name} could not be had ({error}); download the file yourself and name it as `path`"
        ) from error
    return model.float()


def build_clip(state_dict: dict[str, torch.Tensor], activation: str = "quickgelu") -> CLIP:
    """Return the CLIP whose weights these are, in fp32 on the CPU and in evaluation mode.

    Parameters
    ----------
    state_dict : dict of str to Tensor
        As ``CLIP.state_dict()`` names them, in any precision; the architecture follows from their shapes.
    activation : str
        With which the weights were trained, a key of `ACTIVATIONS`.
    """
    model = build_model(dict(state_dict)).float()
    model.load_state_dict(state_dict)
    for module in model.modules():
        if isinstance(module, ResidualAttentionBlock):
            module.mlp.gelu = ACTIVATIONS[activation]()
    return model.eval()


def activation_of(model: CLIP) -> str:
    """Return the activation that a model was built with, a key of `ACTIVATIONS`."""
    built_with = type(model.transformer.resblocks[0].mlp.gelu)
    return next(name for name, activation in ACTIVATIONS.items() if activation is built_with)


def load_clip(path: str | Path) -> CLIP:
    """Load a checkpoint ``{"model": state_dict, "activation": name}`` as a CLIP, as `build_clip` returns it.

    One without ``activation`` has OpenAI's, as have the checkpoints that the paper's authors released.

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
        check_zip(path)
        content = load_weights_only(path)
        with memory_for(path):
            return build_clip(content["model"], content.get("activation", "quickgelu"))
    except Exception as error:  # torch raises a dozen unrelated types for a damaged or foreign file
        raise ValueError(
            f'{path}: expected a whole checkpoint {{"model": CLIP state_dict}}, found: {error!r:.300}; {remedy(path)}'
        ) from error


def save_checkpoint(path: str | Path, model: CLIP) -> None:
    """Write ``{"model": state_dict, "activation": name}`` atomically; ``torch.load(weights_only=True)`` reads it."""
    save_torch(path, {"model": model.state_dict(), "activation": activation_of(model)})
