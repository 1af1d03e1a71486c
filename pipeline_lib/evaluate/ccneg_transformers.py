"""Evaluate FLAVA or BLIP on CC-Neg: the same items and metrics as `pipeline_lib.evaluate.ccneg`, from the images.

::

    python -m pipeline_lib.evaluate.ccneg_transformers --model flava-full --kind flava --path data/models/flava-full \\
        --triplets eval.parquet --images eval-00000.tar eval-00001.tar --threads 1 --record run.json \\
        --scores ccneg.parquet --metrics ccneg.json

How well a caption fits an image (paper, section 5):

==========  ===========================================================================================================
``flava``   cosine of the projected CLS states of image and text (``facebook/flava-full``)
``blip``    probability of a match by the image-text matching head (``Salesforce/blip-itm-base-coco``)
==========  ===========================================================================================================

The models are read by `transformers`, an optional dependency, from a folder with the files as published: nothing is
downloaded and no code of the folder is run. They share no features with CLIP, and BLIP has none to share: it looks at
image and caption together. The published evaluation pads texts to 77 tokens for FLAVA. Both models mask padding, so
texts are padded to the longest of a batch only, which changes rounding alone. A small GPU scores 30 images a second.
"""

import argparse
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import normalize

from pipeline_lib.clip.load import load_torchvision
from pipeline_lib.clip.training import pick_device, use_threads
from pipeline_lib.evaluate.kinds import CCNEG, ccneg_items
from pipeline_lib.evaluate.result import measure, output_options, read_triplets, write_result
from pipeline_lib.formats.images import Sample, read_tars
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.cores import usable_cores
from pipeline_lib.jobs.extras import need_extra
from pipeline_lib.jobs.files import write_json
from pipeline_lib.jobs.progress import progress
from pipeline_lib.jobs.run_record import RunRecord, baseline

FILES = (("config.json",), ("preprocessor_config.json",), ("tokenizer.json", "vocab.txt"))  # one of each
IMAGES_PER_BATCH = 32  # bounds memory


def load_whole(model_class: type, place: str | Path, **options: object) -> torch.nn.Module:
    """Return a model of transformers in fp32 and in evaluation mode, with all its weights, and run no code of others.

    `place` is a folder or a name on the hub. Raises whatever transformers raises, and a `ValueError` for lost weights.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()  # of weights: those of other heads are left out, lost ones raise below
    model, found = model_class.from_pretrained(
        place, dtype=torch.float32, weights_only=True, trust_remote_code=False, output_loading_info=True, **options
    )
    # transformers draws weights that it does not find at random.
    if lost := sorted(found["missing_keys"]) + [str(name) for name in found["mismatched_keys"]]:
        raise ValueError(
            f"{place}: expected all weights of a {type(model).__name__}, found {len(lost)} missing, such as {lost[0]}"
        )
    return model.eval()


class ImageTextModel:
    """A model with its image transform and tokenizer, in fp32 and in evaluation mode, from a folder with `FILES`.

    The weights are ``model.safetensors``, or ``pytorch_model.bin``, which is read without executing anything.
    """

    family: str

    def __init__(self, folder: Path, device: torch.device) -> None:
        from transformers import BertTokenizer

        for names in FILES:
            if not any((folder / name).is_file() for name in names):
                raise FileNotFoundError(
                    f"{folder}: expected the files of a published {self.family}, but {' or '.join(names)} is missing"
                )
        model_class, processor_class = self._classes()
        local = {"local_files_only": True}
        try:
            model = load_whole(model_class, folder, **local)
            self._processor = processor_class.from_pretrained(folder, **local)
            self._tokenizer = BertTokenizer.from_pretrained(folder, **local)
        except Exception as error:  # transformers raises many types for damaged and foreign files
            raise ValueError(f"{folder}: not the files of a {model_class.__name__} ({error!r:.300})") from error
        words, places = len(self._tokenizer), model.config.text_config.vocab_size
        if not 0 <= places - words <= 2:  # BLIP has two words more than its tokenizer
            raise ValueError(f"{folder}: expected a tokenizer of the model's {places} words, found one of {words}")
        self.model = model.to(device)

    def prepare(self, sample: Sample) -> Tensor:
        """Return the pixels (3, h, w) of an image as the model takes them."""
        return self._processor(sample.decode(sample.read()), return_tensors="pt")["pixel_values"][0]

    @torch.no_grad()
    def score(self, pixels: Tensor, *texts: list[str]) -> Tensor:
        """Return the score of b images (b, 3, h, w) with their texts of each list: a Tensor (b, len(texts))."""
        seen, columns = self._see(pixels.to(self.model.device)), []
        for column in texts:
            encoded = self._tokenizer(column, padding=True, return_tensors="pt").to(self.model.device)
            columns.append(self._fit(seen, {name: encoded[name] for name in ("input_ids", "attention_mask")}))
        return torch.stack(columns, dim=1).cpu()


class Flava(ImageTextModel):
    """FLAVA."""

    family = "FLAVA"

    def _classes(self) -> tuple[type, type]:
        from transformers import FlavaModel
        from transformers.models.flava.image_processing_pil_flava import FlavaImageProcessorPil

        return FlavaModel, FlavaImageProcessorPil

    # What is called the pooled output is the projection of all states; the first is that of the CLS token.
    def _see(self, pixels: Tensor) -> Tensor:
        return normalize(self.model.get_image_features(pixels).pooler_output[:, 0], dim=-1)  # (b, d)

    def _fit(self, seen: Tensor, tokens: dict[str, Tensor]) -> Tensor:
        text = self.model.get_text_features(**tokens).pooler_output[:, 0]  # (b, d)
        return (seen * normalize(text, dim=-1)).sum(dim=1)


class Blip(ImageTextModel):
    """BLIP with its image-text matching head."""

    family = "BLIP"

    def _classes(self) -> tuple[type, type]:
        from transformers import BlipForImageTextRetrieval
        from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

        return BlipForImageTextRetrieval, BlipImageProcessorPil

    def _see(self, pixels: Tensor) -> Tensor:
        return self.model.vision_model(pixels).last_hidden_state  # (b, patches, width)

    def _fit(self, seen: Tensor, tokens: dict[str, Tensor]) -> Tensor:
        fused = self.model.text_encoder(
            **tokens,
            encoder_hidden_states=seen,
            encoder_attention_mask=torch.ones(seen.shape[:-1], dtype=torch.long, device=seen.device),
        )
        return self.model.itm_head(fused.last_hidden_state[:, 0]).softmax(dim=1)[:, 1]  # 1 is a match


MODELS = {"flava": Flava, "blip": Blip}


def score_triplets(model: ImageTextModel, tars: list[Path], triplets: pd.DataFrame, batch_size: int) -> np.ndarray:
    """Return the scores of each caption and each negated caption with its image: ndarray of shape (n, 2), float32.

    The tars hold an image for each of the n triplets (``key``, ``caption``, ``negated_caption``), in any order.
    """
    keys, samples = triplets["key"].tolist(), {sample.key: sample for sample in read_tars(tars)}
    if unlike := sorted(samples.keys() ^ {*keys}):
        raise ValueError(
            f"{', '.join(map(str, tars))}: expected the images of {len(keys):,} triplets, found {len(samples):,}; "
            f"{len(unlike):,} are on one side alone, such as {unlike[0]!r}; make the shards again"
        )
    texts, scores = triplets[["caption", "negated_caption"]].to_numpy(), []
    with ThreadPoolExecutor(usable_cores()) as workers:  # Pillow decodes and resizes in threads too
        for first in progress(range(0, len(keys), batch_size), "score", f"batches of {batch_size} images"):
            batch = [samples[key] for key in keys[first : first + batch_size]]
            pixels = torch.stack(list(workers.map(model.prepare, batch)))
            found = model.score(pixels, *texts[first : first + batch_size].T.tolist()).numpy()  # (b, 2)
            if not np.isfinite(found).all():
                row = int(np.argmin(np.isfinite(found).all(axis=1)))
                raise ValueError(f"{batch[row].source}: the score of sample {batch[row].key} is not finite")
            scores.append(found)
    return np.concatenate(scores)


def main() -> None:
    """Evaluate the model that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True, help="name of the model in this pipeline")
    parser.add_argument("--kind", choices=MODELS, required=True, help="what the model is")
    parser.add_argument("--path", type=Path, required=True, help="folder with the model's files as published")
    parser.add_argument("--triplets", type=Path, required=True, help="CC-Neg's evaluation split, Parquet")
    parser.add_argument("--images", type=Path, nargs="+", required=True, help="tars with its images, all parts")
    parser.add_argument("--threads", type=int, required=True, help="CPU threads of torch")
    parser.add_argument("--record", type=Path, required=True, help="output: model, versions and times, JSON")
    output_options(parser)
    args = parser.parse_args()
    need_extra("transformers", "evaluate/transformers")
    recipe = {"kind": args.kind, "path": str(args.path), "transformers": version("transformers")}
    use_threads(args.threads)
    load_torchvision()  # before transformers does
    identity = baseline(args.model, MODELS[args.kind].family, args.model)
    record = RunRecord(identity, recipe)
    model = MODELS[args.kind](args.path, pick_device())
    triplets = read_triplets(args.triplets)
    items = ccneg_items(triplets, *score_triplets(model, args.images, triplets, IMAGES_PER_BATCH).T)
    write_result(args, identity, "ccneg", items, measure(CCNEG, items))
    write_json(args.record, record.finish(images=len(items)))


if __name__ == "__main__":
    run(main)
