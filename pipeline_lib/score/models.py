"""The models that `score` asks: each turns images and texts into features of one space.

=====================================  ================================================================================
``conclip-rn-s0``                      a model of a run, after the CLIP that it started from
``results/.../model.pt``, ``my-clip/``  a file or folder that `pipeline_lib.backbones.formats` reads
``openai:ViT-B/32``                    one of OpenAI's, downloaded to ``data/openai-clip`` unless it is there
``open_clip:ViT-B-32/openai``          a model of open_clip: architecture and weights, ``local-dir:FOLDER`` or
                                       ``hf-hub:NAME``
``transformers:FOLDER or NAME``        a model of transformers with features of images and of texts (CLIP, SigLIP, ...)
=====================================  ================================================================================

The last two need a package that is installed on request. They compute as their library does, with its own transform of
images and its own tokenizer; what they cut without a word, texts that are too long, is refused.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from pipeline_lib.backbones.formats import read_weights
from pipeline_lib.backbones.inspect import OPENAI_FOLDER
from pipeline_lib.clip.load import CLIP, build_clip, load_clip, load_openai_clip, load_torchvision, preprocess
from pipeline_lib.clip.text_tower import encode_captions
from pipeline_lib.evaluate.ccneg_transformers import load_whole
from pipeline_lib.evaluate.result import read_model
from pipeline_lib.jobs.extras import need_extra
from pipeline_lib.jobs.progress import progress

STAGES = ("backbones", "finetune")  # that make models
TEXTS_PER_BATCH = 256  # of other libraries; bounds memory


class Model(NamedTuple):
    """A model on its device, with a logit scale; features need not be normalised yet."""

    prepare: Callable[[Image.Image], Tensor]  # an image in RGB to pixels (3, h, w)
    see: Callable[[Tensor], Tensor]  # pixels (b, 3, h, w) to features (b, d)
    read: Callable[[list[str]], Tensor]  # m texts to features (m, d); a text that is too long is a `ValueError`
    scale: float


def find_models(names: list[str], results: Path, run: str | None, activation: str | None) -> dict[str, Callable]:
    """Return name -> what makes the `Model` for a device, in the order of `names`, each CLIP of a run before its own.

    `activation` is that of checkpoints that do not name theirs.
    """
    found: dict[str, Callable[[torch.device], Model]] = {}
    for name in names:
        kind, colon, place = name.partition(":")
        if colon and kind in LIBRARIES:
            found[name] = partial(LIBRARIES[kind], place)
        elif "/" in name or "." in name:  # which no model of a run has
            found[name] = partial(_of_file, Path(name), activation)
        else:
            found |= {key: made for key, made in _of_run(name, find_run(results, run)).items() if key not in found}
    return found


def find_run(results: Path, name: str | None) -> Path:
    """Return the folder of a run: `name`'s, or that of the run whose tables are shown."""
    active = results / "active-run.txt"
    if name is None and active.is_file():
        name = active.read_text().strip()
    if name is not None and (results / name).is_dir():
        return results / name
    runs = sorted({path.parent.parent.name for stage in STAGES for path in results.glob(f"*/{stage}/*")})
    found = f"{results} has models of {', '.join(runs)}: name one with --run" if runs else "`make tables` makes one"
    raise FileNotFoundError(f"{results / name if name else active}: no such run; {found}")


def _of_run(name: str, run_folder: Path) -> dict[str, Callable]:
    """Return what makes a model of a run, after what makes the CLIP that it started from."""
    files = [path for stage in STAGES for path in sorted(run_folder.glob(f"{stage}/*/model.pt"))]
    weights = {path.parent.name: path for path in files}
    if not weights:
        raise FileNotFoundError(
            f"{run_folder}: this run has no model yet; `snakemake --cores 8 results/tables.parquet`, with the run's "
            "--configfile, makes all"
        )
    known = ", ".join(weights)
    if name not in weights:
        raise ValueError(
            f"no model {name!r}; this run has {known}; others are a path with a /, or {':..., '.join(LIBRARIES)}:..."
        )
    clip = read_model(weights[name].with_name("run.json"))["backbone"]
    if clip not in weights:
        raise ValueError(
            f"{weights[name].parent}: the model started from {clip!r}, which this run no longer has; it has {known}"
        )
    return {one: lambda device, path=weights[one]: _of_clip(load_clip(path), device) for one in (clip, name)}


def _of_clip(model: CLIP, device: torch.device) -> Model:
    model.to(device).visual.to(memory_format=torch.channels_last)  # a ResNet's convolutions are faster so
    transform, scale = preprocess(model.visual.input_resolution), model.logit_scale.exp().item()
    return Model(transform, model.encode_image, partial(encode_captions, model), scale)


def _of_file(path: Path, activation: str | None, device: torch.device) -> Model:
    found = read_weights(path)
    if (activation := found.activation or activation) is None:
        raise ValueError(
            f"{path}: expected its activation, without which every number would be wrong, found none; OpenAI's CLIPs "
            "and all fine-tuned from them have --activation quickgelu, for others see docs/adding.md"
        )
    return _of_clip(build_clip(found.state_dict, activation), device)


def _of_openai(name: str, device: torch.device) -> Model:
    return _of_clip(load_openai_clip(name, str(OPENAI_FOLDER)), device)


def _of_open_clip(place: str, device: torch.device) -> Model:
    need_extra("open_clip", f"--model open_clip:{place}")
    load_torchvision()  # before open_clip does
    import open_clip

    name, weights = (place, None) if ":" in place else place.partition("/")[::2]
    try:
        model, transform = open_clip.create_model_from_pretrained(name, weights, device=device, weights_only=True)
        tokenizer = open_clip.get_tokenizer(name)
    except Exception as error:  # it raises many types for names and files that it does not know
        raise ValueError(f"--model open_clip:{place}: open_clip cannot load it ({error!s:.500})") from error

    def read(texts: list[str]) -> Tensor:
        length = tokenizer.context_length
        tokens, longer = tokenizer(texts), tokenizer(texts, context_length=length + 1)
        # open_clip cuts without a word, but where a cut text ends, a longer one goes on.
        _check_lengths(texts, (tokens == longer[:, :length]).all(dim=1).tolist(), length)
        return _in_batches(lambda batch: model.encode_text(batch.to(device)), tokens.split(TEXTS_PER_BATCH))

    return Model(transform, model.eval().encode_image, read, model.logit_scale.exp().item())


def _of_transformers(place: str, device: torch.device) -> Model:
    need_extra("transformers", f"--model transformers:{place}")
    load_torchvision()  # before transformers does
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    try:
        model = load_whole(AutoModel, place).to(device)
        if not all(hasattr(model, name) for name in ("get_image_features", "get_text_features", "logit_scale")):
            raise ValueError(
                f"expected features of images and texts, as CLIP and SigLIP have, of {type(model).__name__}"
            )
        transform = AutoImageProcessor.from_pretrained(place, backend="pil", trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
    except Exception as error:  # transformers raises many types for names and files that it does not know
        raise ValueError(f"--model transformers:{place}: transformers cannot load it ({error!s:.500})") from error
    length = model.config.text_config.max_position_embeddings

    def read(texts: list[str]) -> Tensor:
        # To full length: SigLIP was trained so, and does not mask padding.
        tokens = tokenizer(texts, padding="max_length", max_length=length)
        _check_lengths(texts, [len(row) == length for row in tokens["input_ids"]], length)
        tensors = [torch.tensor(column).split(TEXTS_PER_BATCH) for column in tokens.values()]
        batches = [dict(zip(tokens.keys(), batch, strict=True)) for batch in zip(*tensors, strict=True)]
        return _in_batches(lambda batch: _pooled(model.get_text_features, batch), batches)

    def _pooled(features: Callable, batch: dict[str, Tensor]) -> Tensor:
        pooled = features(**{name: value.to(device) for name, value in batch.items()}).pooler_output
        return pooled[:, 0] if pooled.ndim == 3 else pooled  # FLAVA projects all states, the first is that of CLS

    return Model(
        lambda image: transform(image, return_tensors="pt")["pixel_values"][0],
        lambda pixels: _pooled(model.get_image_features, {"pixel_values": pixels}),
        read,
        model.logit_scale.exp().item(),
    )


LIBRARIES = {"openai": _of_openai, "open_clip": _of_open_clip, "transformers": _of_transformers}


def _check_lengths(texts: list[str], fits: list[bool], length: int) -> None:
    if not all(fits):
        first = texts[fits.index(False)]
        raise ValueError(f"{fits.count(False):,} of {len(texts):,} texts do not fit into {length} tokens: {first:.500}")


def _in_batches(encode: Callable, batches: list) -> Tensor:
    return torch.cat([encode(batch).float().cpu() for batch in progress(batches, "encode", "batches of texts")])
