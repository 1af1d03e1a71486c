"""Load, build and save CLIPs: the only module that imports `clip` (openai-clip 1.0.1, of 2021) and `torchvision`.

What it takes to run openai-clip 1.0.1 beside today's torch, torchvision and setuptools:

- A stand-in for ``pkg_resources``: ``clip.clip`` does ``from pkg_resources import packaging``, and setuptools 82 has no
  such module any more. The stand-in holds `packaging`.
- A stand-in for ``torchvision``: its wheel is built for CUDA, and beside a CPU-only torch its import stops at
  ``operator torchvision::nms does not exist``. `clip` needs only ``torchvision.transforms``, which works. The stand-in
  leads to torchvision's folder without running its ``__init__``, which would also load every model and torch's
  compiler: a second in each job.
- `build_clip`: ``clip.load(path)`` cannot read a plain state_dict, and ``clip.model.build_model`` rounds weights to
  half precision and says of foreign ones ``KeyError``. So the model is built here from the shapes in the state_dict.

Both stand-ins are removed once `clip` is imported. `load_torchvision` imports the real torchvision beside any torch.

`clip` knows one activation, QuickGELU, that of OpenAI's weights and of all that were fine-tuned from them. CLIPs
trained from scratch elsewhere may have GELU instead. No weight tells which, and the wrong one lowers every number
without an error. So a checkpoint of ours names it, and a model is always built with the one that its weights need.
"""

import importlib.util
import sys
import types
from pathlib import Path

import packaging.version
import torch
from PIL import Image
from torch import nn

from pipeline_lib.clip.torch_file import check_zip, load_weights_only, memory_for, save_torch
from pipeline_lib.jobs.file_kind import misread
from pipeline_lib.jobs.files import sha256
from pipeline_lib.jobs.quoted import quoted

_torchvision = types.ModuleType("torchvision")
_torchvision.__path__ = importlib.util.find_spec("torchvision").submodule_search_locations
_stand_ins = {"pkg_resources": types.SimpleNamespace(packaging=packaging), "torchvision": _torchvision}
_replaced = {name: sys.modules.get(name) for name in _stand_ins}
sys.modules.update(_stand_ins)
try:
    import clip
    from clip.model import CLIP, QuickGELU, ResidualAttentionBlock
finally:
    for _name, _module in _replaced.items():
        if _module is None:
            del sys.modules[_name]
        else:
            sys.modules[_name] = _module

ACTIVATIONS = {"quickgelu": QuickGELU, "gelu": nn.GELU}
LONG = 64  # times as long as wide: beyond it, of an image only the middle is looked at
HEAD_WIDTH = 64  # channels of an attention head, in every CLIP

_operators: list[torch.library.Library] = []  # declared ones live as long as their library object


def load_torchvision() -> types.ModuleType:
    """Return the real `torchvision`; beside a torch without CUDA its ``ops`` and ``io`` lack their compiled halves.

    All that is written in Python works once the operators are declared that its import looks for.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if _operators or "torchvision::" not in str(error):
            raise
        library = torch.library.Library("torchvision", "FRAGMENT")
        _operators.append(library)
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]  # what the failed import left behind
        import torchvision
    return torchvision


def preprocess(n_px: int):
    """Return CLIP's image transform: bicubic resize, centre crop to `n_px`, RGB, to tensor, normalise.

    Of an image longer than `LONG` times its width only the middle is resized: the whole, with a width of `n_px`, may
    have gigapixels (a line of 40,000 pixels has two), of which the crop keeps the same middle.
    """
    transform = clip.clip._transform(n_px)
    transform.transforms.insert(0, _middle)
    return transform


def _middle(image: Image.Image) -> Image.Image:
    longest = LONG * min(image.size)
    if max(image.size) <= longest:
        return image
    left, top = (max(0, side - longest) // 2 for side in image.size)
    return image.crop((left, top, left + min(image.width, longest), top + min(image.height, longest)))


def pixel_statistics() -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of each channel, with which `preprocess` normalises."""
    normalise = preprocess(1).transforms[-1]
    return list(normalise.mean), list(normalise.std)


def load_openai_clip(name: str, download_root: str, path: str | Path | None = None) -> CLIP:
    """Return one of OpenAI's CLIPs, such as ``"ViT-B/32"``, in fp32 on the CPU.

    The released files are TorchScript archives, which hold code beside weights. So a file is opened only if its
    SHA-256 is the one that `clip` lists for the model. It is downloaded into `download_root`, unless it is there or
    `path` names it.
    """
    if name not in clip.available_models():
        raise ValueError(f"OpenAI published no CLIP {name!r}; expected one of {', '.join(clip.available_models())}")
    if path is not None:
        released, expected = released_file(name)
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path}: no such file; expected {released}, as OpenAI released {name}")
        if (found := sha256(path)) != expected:
            wanted = f"{released} as OpenAI released it for {name}, SHA-256 {expected}"
            raise misread(path, wanted, f"{found}; for other weights take the source `checkpoint`", "zip")
    try:
        model, _ = clip.load(name if path is None else str(path), device="cpu", download_root=download_root)
    except (OSError, RuntimeError) as error:  # no network, no room, or a checksum that does not fit
        raise ValueError(f"no weights of {name} ({error}); download it yourself and give the file's path") from error
    return model.float()


def released_file(name: str) -> tuple[str, str]:
    """Return the name and the SHA-256 of the file in which OpenAI released a CLIP."""
    *_, digest, released = clip.clip._MODELS[name].split("/")
    return released, digest


def architecture_of(state_dict: dict[str, torch.Tensor]) -> dict:
    """Return the arguments of `CLIP` for these weights, from their names and shapes."""

    def shape(name: str, dimensions: int) -> torch.Size:
        found = getattr(state_dict.get(name), "shape", None)
        if found is None or len(found) != dimensions:
            what = "none" if found is None else tuple(found)
            listed = ", ".join(sorted(state_dict)[:3])
            raise ValueError(
                f"not the weights of a CLIP: expected {name} of {dimensions} dimensions, found {what} among "
                f"{len(state_dict)} weights ({listed:.200}, ...)"
            )
        return found

    def count(start: str) -> int:
        return len({name.removeprefix(start).partition(".")[0] for name in state_dict if name.startswith(start)})

    if "visual.proj" in state_dict:
        vision_width, _, _, patch_size = shape("visual.conv1.weight", 4)
        side = round((shape("visual.positional_embedding", 2)[0] - 1) ** 0.5)
        vision = {"vision_layers": count("visual.transformer.resblocks."), "image_resolution": patch_size * side}
    else:
        vision_width, patch_size = shape("visual.layer1.0.conv1.weight", 4)[0], None
        side = round((shape("visual.attnpool.positional_embedding", 2)[0] - 1) ** 0.5)
        layers = tuple(count(f"visual.layer{stage}.") for stage in (1, 2, 3, 4))
        vision = {"vision_layers": layers, "image_resolution": 32 * side}
    width = shape("ln_final.weight", 1)[0]
    return {
        "embed_dim": shape("text_projection", 2)[1],
        **vision,
        "vision_width": vision_width,
        "vision_patch_size": patch_size,
        "context_length": shape("positional_embedding", 2)[0],
        "vocab_size": shape("token_embedding.weight", 2)[0],
        "transformer_width": width,
        "transformer_heads": width // HEAD_WIDTH,
        "transformer_layers": count("transformer.resblocks."),
    }


def check_architecture(state_dict: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], backbone: str) -> None:
    """Require the names and shapes of a backbone's weights."""
    mine, theirs = ({name: tuple(value.shape) for name, value in side.items()} for side in (state_dict, expected))
    if differing := [name for name in theirs | mine if mine.get(name) != theirs.get(name)]:
        listed = [f"{name} {theirs.get(name, 'absent')}, found {mine.get(name, 'none')}" for name in differing[:3]]
        raise ValueError(
            f"not of the architecture of {backbone}, which has {len(theirs)} weights: expected {'; '.join(listed)} "
            f"({len(differing)} weights differ)"
        )


def build_clip(state_dict: dict[str, torch.Tensor], activation: str = "quickgelu") -> CLIP:
    """Return the CLIP with these weights, in fp32 on the CPU and in evaluation mode.

    The architecture follows from their names, as in ``CLIP.state_dict()``, and shapes; `activation`, a key of
    `ACTIVATIONS`, is the one that they were trained with.
    """
    architecture = architecture_of(state_dict)
    try:
        model = CLIP(**architecture)
    except Exception as error:  # what torch raises for sizes that do not go together, or for too little memory
        raise ValueError(f"not the weights of a CLIP, to judge by their sizes: {architecture}") from error
    check_architecture(state_dict, model.state_dict(), "a CLIP of these sizes")
    model.load_state_dict(state_dict)
    return set_activation(model, activation).eval()


def set_activation(model: CLIP, name: str) -> CLIP:
    """Give a model, in place, an activation of `ACTIVATIONS` in all attention blocks, and return it."""
    for module in model.modules():
        if isinstance(module, ResidualAttentionBlock):
            module.mlp.gelu = ACTIVATIONS[name]()
    return model


def activation_of(model: CLIP) -> str:
    """Return the activation that a model was built with, a key of `ACTIVATIONS`."""
    built_with = type(model.transformer.resblocks[0].mlp.gelu)
    return next(name for name, activation in ACTIVATIONS.items() if activation is built_with)


def load_clip(path: str | Path) -> CLIP:
    """Load a checkpoint ``{"model": state_dict, "activation": name}`` as `build_clip` returns it.

    One without ``activation`` has OpenAI's, as have the checkpoints that the paper's authors released.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    try:
        check_zip(path)
        content = load_weights_only(path)
        if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
            raise ValueError(f"{quoted(content, 100)}, without a state_dict under `model`")
        with memory_for(path):
            return build_clip(content["model"], content.get("activation", "quickgelu"))
    except Exception as error:  # torch raises a dozen unrelated types for a damaged or foreign file
        found = error if isinstance(error, ValueError) else repr(error)
        raise misread(path, 'a whole checkpoint {"model": CLIP state_dict}', f"{found!s:.300}", "zip") from error


def save_checkpoint(path: str | Path, model: CLIP) -> None:
    """Write ``{"model": state_dict, "activation": name}`` atomically; ``torch.load(weights_only=True)`` reads it."""
    save_torch(path, {"model": model.state_dict(), "activation": activation_of(model)})
