"""Read the weights of a CLIP from the files in which people publish them.

=================================================  ====================================================================
a file of ``torch.save``                           a state_dict, alone or under any keys: ``model`` (our checkpoints,
                                                   those of the paper's authors), ``state_dict`` (open_clip's training,
                                                   Lightning), ``module`` (DeepSpeed); or the whole model, of which
                                                   only the tensors are read
TorchScript                                        its tensors; its code is left alone
a ``.safetensors`` file                            a state_dict
``config.json``, ``model.safetensors`` or          a folder of a Hugging Face ``CLIPModel``; the weights in one file or
``pytorch_model.bin``                              in shards with an index
``open_clip_config.json``,                         a folder as open_clip publishes models
``open_clip_model.safetensors`` or
``open_clip_pytorch_model.bin``
a folder of either without a description           the same weights (accelerate, DeepSpeed's ``zero_to_fp32.py``)
=================================================  ====================================================================

Weights have the names of `clip`, of open_clip's CLIPs with a text tower of its own (``text.``), or of ``CLIPModel``.
Before them may stand any prefix (``module.``, ``_orig_mod.``, ``model.``, ``clip_model.`` and so on, nested too): it is
what precedes the name of the text tower's last norm. What stands beside the weights is left out.

Nothing in a file is executed (`pipeline_lib.clip.inert`); `transformers` and `open_clip` are not needed.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pipeline_lib.backbones.huggingface import (
    check_pixels,
    from_huggingface,
    huggingface_activation,
    open_clip_activation,
)
from pipeline_lib.backbones.state_dict import LAST_NORMS, LORA, listed, names_in, weights_in
from pipeline_lib.clip.inert import StandIn, Stored, UnreadableError
from pipeline_lib.clip.torch_file import COPIES, memory_for, opened
from pipeline_lib.jobs.file_kind import absent, kind_of, start_of
from pipeline_lib.jobs.files import read_json
from pipeline_lib.jobs.quoted import quoted

OPEN_CLIP, HUGGINGFACE = "open_clip_config.json", "config.json"
DESCRIBED = {  # a folder's description: what its weights may be called
    OPEN_CLIP: ("open_clip_model.safetensors", "open_clip_pytorch_model.bin"),
    HUGGINGFACE: ("model.safetensors", "pytorch_model.bin"),
}
PIXELS = ("preprocessor_config.json", "processor_config.json")
PART = re.compile(r"-\d+-of-0*([2-9]|1\d)\d*\.\w+$|\.index\.json$")  # a shard, or the index of shards


class Weights(NamedTuple):
    """Weights under the names of ``clip.model.CLIP``, and what was found about them.

    `activation` is None where no file names it. `form` says in words what the file is. `left_out` are names of tensors
    that are not of the CLIP. `beside` is what a checkpoint holds beside the weights.
    """

    state_dict: dict[str, Tensor]
    activation: str | None
    form: str
    left_out: list[str]
    beside: dict


def read_weights(path: str | Path) -> Weights:
    """Read a checkpoint or a folder in any of these forms; the weights are finite and in fp32."""
    with _errors_named(path), memory_for(path):
        found = _read(Path(path))
        state_dict = {
            name: value.float() if value.is_floating_point() else value for name, value in found.state_dict.items()
        }
        if broken := [name for name, value in state_dict.items() if not value.isfinite().all()]:
            raise ValueError(f"expected finite numbers, found others in {broken[0]}; download it again")
        return found._replace(state_dict=state_dict)


def read_as_stored(path: str | Path) -> Weights:
    """Read the same as `read_weights`, in the precision of the file, finite or not."""
    with _errors_named(path), memory_for(path):
        return _read(Path(path))


@contextmanager
def _errors_named(path: str | Path) -> Iterator[None]:
    if not Path(path).exists():
        raise FileNotFoundError(f"{absent(path)}; expected a checkpoint")
    try:
        yield
    except FileNotFoundError:
        raise
    except ValueError as error:
        raise ValueError(f"{path}: {str(error).removeprefix(f'{Path(path).name}: ')}") from error
    except Exception as error:  # a description may have anything in any place, and a tensor any shape and type
        raise ValueError(f"{path}: its description or weights are not those of a CLIP ({error!s:.300})") from error


def _read(path: Path) -> Weights:
    if path.is_dir():
        return _read_folder(path)
    if PART.search(path.name):
        raise ValueError("the weights are in several files, of which this is one: name their folder")
    description = next((path.with_name(name) for name, files in DESCRIBED.items() if path.name in files), None)
    return _read_described(description, [path])


def _read_folder(folder: Path) -> Weights:
    if (folder / "adapter_config.json").is_file():
        raise ValueError(LORA)
    if len(snapshots := [*folder.glob("snapshots/*/")]) == 1:  # Hugging Face's cache
        folder = snapshots[0]
    found = [
        (folder / description, files)
        for description, names in DESCRIBED.items()
        for name in names
        if (files := _files(folder / name))
    ]
    if found:
        return _read_described(*next((one for one in found if one[0].is_file()), found[0]))
    if (folder / "data.pkl").is_file():  # some browsers unpack what they download
        raise ValueError(
            f"an unpacked file of torch.save: pack it again, by `zip -r {folder.name}.pt {folder.name}` in the folder "
            "above, and name that file"
        )
    if any(folder.glob("*.distcp")):
        raise ValueError(
            "a checkpoint in shards of torch.distributed: make it a file by "
            "`python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER FILE`"
        )
    raise FileNotFoundError(
        f"{folder}: no weights in it; expected the folder of a Hugging Face CLIPModel ({HUGGINGFACE}, "
        f"{' or '.join(DESCRIBED[HUGGINGFACE])}) or of open_clip ({OPEN_CLIP}, {' or '.join(DESCRIBED[OPEN_CLIP])}), "
        f"found {listed(sorted(file.name for file in folder.iterdir()))}; of another checkpoint name the file"
    )


def _files(whole: Path) -> list[Path]:
    """Return a file of weights that is there, or the shards that stand for it, of which its index says all."""
    index = f"{whole.name}.index.json"
    if whole.is_file() or not whole.with_name(index).is_file():
        return [whole] if whole.is_file() else []
    content = read_json(whole.with_name(index))
    listed = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(listed, dict):
        raise ValueError(f"expected the files of the weights under weight_map in {index}, found {quoted(content)}")
    files = sorted(whole.parent.glob(f"{whole.stem}-*-of-*{whole.suffix}"))
    if missing := sorted(map(str, set(listed.values()) - {file.name for file in files})):
        raise ValueError(f"{index} lists {quoted(missing[0])}, which is not in the folder; download it too")
    return [file for file in files if file.name in listed.values()]


def _read_described(description: Path | None, files: list[Path]) -> Weights:
    """Read the weights in a file or shards, and what a description beside them says of the model, if it is there."""
    found = _read_files(files)
    if description is None or not description.is_file():
        return found
    config = read_json(description)
    if description.name == OPEN_CLIP:
        return found._replace(activation=open_clip_activation(config))
    if "model_type" not in config:  # of something else, such as a trainer's settings
        return found
    for name in PIXELS:
        if (pixels := description.with_name(name)).is_file():
            pixels = read_json(pixels)
            pixels = pixels.get("image_processor", pixels)  # transformers from 5 on
            check_pixels(pixels.get("image_mean"), pixels.get("image_std"))
    return found._replace(activation=huggingface_activation(config, found.state_dict))


def _read_files(files: list[Path]) -> Weights:
    """Read the weights in a file, or in the shards of one."""
    with ExitStack() as stack:
        parts = [stack.enter_context(_content(file)) for file in files]
        kind, content = parts[0]
        if len(parts) > 1:
            kind = f"{len(parts)} shards, each {kind}"
            content = {name: value for _, part in parts for name, value in part.items()}
        where, stored = weights_in(content)
        names, huggingface, left_out = names_in(stored)
        state_dict = {
            name: value if isinstance(value := stored[raw], Tensor) else value.tensor() for name, raw in names.items()
        }
        if (scale := state_dict.get("logit_scale", Tensor())).shape == (1,):  # as FSDP needs it
            state_dict["logit_scale"] = scale[0]
        if sum(value.nbytes for value in state_dict.values()) > COPIES * sum(file.stat().st_size for file in files):
            raise ValueError("its tensors have many times more numbers than the file")
        for name, value in state_dict.items():
            if not value.numel():
                raise ValueError(
                    f"expected numbers under each name, found none under {name}, {tuple(value.shape)}; if DeepSpeed's "
                    "ZeRO-3 wrote it, they are in other files: join them by its zero_to_fp32.py"
                )
    last = names[LAST_NORMS[huggingface]]  # in parts, if a wrapper is within
    prefix = last.removesuffix(LAST_NORMS[huggingface]) if last.endswith(LAST_NORMS[huggingface]) else ""
    form = (
        kind,
        where and f"weights under `{where}`",
        prefix and f"names begin with `{prefix}`",
        huggingface and "named as in Hugging Face's CLIPModel",
    )
    if huggingface:
        state_dict = from_huggingface(state_dict)
    content = content if isinstance(content, dict) else dict(enumerate(content))
    others = {key: value for key, value in content.items() if str(key) != where.partition(".")[0]}
    beside = {key: value for key, value in others.items() if not isinstance(value, Stored | Tensor)}
    said = beside.get("activation")
    return Weights(state_dict, said if isinstance(said, str) else None, ", ".join(filter(None, form)), left_out, beside)


@contextmanager
def _content(path: Path) -> Iterator[tuple[str, object]]:
    """Yield what a file is, in words, and what it holds."""
    kind = kind_of(start_of(path))
    if kind == "safetensors":
        try:
            yield kind, load_file(path)
        except SafetensorError as error:
            raise ValueError(f"{path.name}: expected whole safetensors ({error}); download it again") from error
        return
    with ExitStack() as stack:
        try:
            content = stack.enter_context(opened(path))
        except UnreadableError as error:  # in a folder there are several files
            raise ValueError(f"{path.name}: expected weights, found {error}") from error
        if isinstance(content, StandIn):
            yield "TorchScript" if content.name.startswith("__torch__") else f"a whole model ({content.name})", content
        else:
            yield ("zip" if kind == "zip" else "older form") + " of torch.save", content
