"""Ask the models of a run about images and captions of your own: the paper's introductory example.

Finds the models of a run, reads images and scores them. For an image with feature f and m captions with features t_i,
all of length 1, and a model's logit scale s::

    cosine_i = cos(f, t_i)        share_i = exp(s cosine_i) / sum_j exp(s cosine_j)

Mistakes raise FileNotFoundError or ValueError; the message says what was expected and what there is.
"""

from pathlib import Path

import pandas as pd
import torch
from PIL import Image, UnidentifiedImageError
from torch.nn import functional

from pipeline_lib.clip.load import load_clip, preprocess
from pipeline_lib.clip.tokenizer import tokenize
from pipeline_lib.evaluate.result import read_model
from pipeline_lib.evaluate.subtract import encode
from pipeline_lib.fetch.images import own_pixel_limit
from pipeline_lib.formats.pixels import FORMATS, as_shown, open_image
from pipeline_lib.jobs.run_record import subtracted

MOST_PIXELS = 100_000_000  # 300 MB once decoded
STAGES = ("backbones", "finetune")  # that make models


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


def find_models(run_folder: Path, names: list[str]) -> dict[Path, dict]:
    """Return weights -> what ``run.json`` says, of models of a run, each after the CLIP that it started from."""
    files = [path for stage in STAGES for path in sorted(run_folder.glob(f"{stage}/*/model.pt"))]
    weights = {path.parent.name: path for path in files}
    if not weights:
        raise FileNotFoundError(
            f"{run_folder}: this run has no model yet; `snakemake --cores 8 results/tables.parquet`, with the run's "
            "--configfile, makes all"
        )
    of_clips: dict[str, dict[Path, dict]] = {}
    for name in names:
        if name not in weights:
            raise ValueError(f"no model {name!r}; this run has {', '.join(weights)}")
        record = read_model(weights[name].with_name("run.json"))
        clip = record["backbone"]
        if clip not in weights:
            raise ValueError(
                f"{weights[name].parent}: the model started from {clip!r}, which this run no longer has; it has "
                f"{', '.join(weights)}"
            )
        models = of_clips.setdefault(clip, {weights[clip]: read_model(weights[clip].with_name("run.json"))})
        models[weights[name]] = record
    return {path: record for models in of_clips.values() for path, record in models.items()}


def read_image(path: Path) -> Image.Image:
    """Return an image as the pipeline would store it: upright and RGB, transparency on white."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such image")
    try:
        with own_pixel_limit(), open_image(path.read_bytes()) as image:
            if (pixels := image.width * image.height) <= MOST_PIXELS:
                return as_shown(image).copy()
    except UnidentifiedImageError:
        raise ValueError(f"{path}: expected an image ({', '.join(FORMATS)}), found something else") from None
    except Exception as error:  # decoders raise anything on damaged bytes
        raise ValueError(f"{path}: the image does not decode ({error!r:.200})") from error
    raise ValueError(f"{path}: expected at most {MOST_PIXELS:,} pixels, found {pixels:,}; make the image smaller")


def check_captions(captions: list[str]) -> None:
    """Raise a ValueError if a caption is empty or too long for CLIP: before a model is loaded."""
    for number, caption in enumerate(captions, start=1):
        if not caption.strip():
            raise ValueError(f"caption {number} is empty")
    tokenize(captions)


@torch.no_grad()
def score(
    models: dict[Path, dict], images: dict[str, Image.Image], captions: list[str], subtract: float | None = None
) -> pd.DataFrame:
    """Score each of n images with m captions, by models from `find_models`, on the CPU.

    With a weight `subtract` every model scores them twice, the second time by subtraction (`evaluate.subtract`).

    Returns the columns model, family, backbone, image, caption, cosine and share: a row per model, image and caption.
    """
    parts = []
    for weights, record in models.items():
        model = load_clip(weights)
        pixels = torch.stack([*map(preprocess(model.visual.input_resolution), images.values())])
        features = functional.normalize(model.encode_image(pixels).float(), dim=-1)  # (n, d)
        described = {None: record} if subtract is None else {None: record, subtract: subtracted(**record)}
        for weight, said in described.items():
            # (n, m); `@` may tell equal rows apart
            cosines = (features[:, None] * encode(model, captions, weight)).sum(dim=2)
            shares = (model.logit_scale.exp() * cosines).softmax(dim=1)
            part = pd.MultiIndex.from_product([images, captions], names=["image", "caption"]).to_frame(index=False)
            part = part.assign(cosine=cosines.flatten().tolist(), share=shares.flatten().tolist())
            parts.append(part.assign(model=said["model"], family=said["family"], backbone=said["backbone"]))
    return pd.concat(parts, ignore_index=True)[["model", "family", "backbone", "image", "caption", "cosine", "share"]]
