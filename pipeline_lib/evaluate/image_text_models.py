"""FLAVA and BLIP as the paper compares them with CLIP: how well does a caption fit an image?

==========  ===========================================================================================================
``flava``   cosine of the projected CLS states of image and text (``facebook/flava-full``)
``blip``    probability of a match by the image-text matching head (``Salesforce/blip-itm-base-coco``)
==========  ===========================================================================================================

(Paper, section 5.) They are read by `transformers`, an optional dependency, from a folder with the files as published;
nothing is downloaded and no code of the folder is run. The published evaluation pads texts to 77 tokens for FLAVA. Both
models mask padding, so texts are padded to the longest of a batch only, which changes rounding alone.
"""

from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize

FILES = (("config.json",), ("preprocessor_config.json",), ("tokenizer.json", "vocab.txt"))


class Flava:
    """FLAVA; see `load_image_text_model`."""

    family = "FLAVA"

    def __init__(self, folder: Path, device: torch.device) -> None:
        from transformers import FlavaModel
        from transformers.models.flava.image_processing_pil_flava import FlavaImageProcessorPil

        self.parts = _load(folder, FlavaModel, FlavaImageProcessorPil, device)

    @torch.no_grad()
    def score(self, images: list[Image.Image], *texts: list[str]) -> Tensor:
        """Return the cosine of each image with its text of each list, as a Tensor of shape (b, len(texts))."""
        model = self.parts.model
        # What is called the pooled output is the projection of all states; the first is that of the CLS token.
        image = normalize(model.get_image_features(self.parts.pixels(images)).pooler_output[:, 0], dim=-1)  # (b, d)
        columns = []
        for column in texts:
            text = model.get_text_features(**self.parts.tokens(column)).pooler_output[:, 0]  # (b, d)
            columns.append((image * normalize(text, dim=-1)).sum(dim=1))
        return torch.stack(columns, dim=1).cpu()


class Blip:
    """BLIP with its image-text matching head; see `load_image_text_model`."""

    family = "BLIP"

    def __init__(self, folder: Path, device: torch.device) -> None:
        from transformers import BlipForImageTextRetrieval
        from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

        self.parts = _load(folder, BlipForImageTextRetrieval, BlipImageProcessorPil, device)

    @torch.no_grad()
    def score(self, images: list[Image.Image], *texts: list[str]) -> Tensor:
        """Return the probability that each image matches its text of each list: Tensor of shape (b, len(texts))."""
        model = self.parts.model
        patches = model.vision_model(self.parts.pixels(images)).last_hidden_state  # (b, patches, width), once for all
        columns = []
        for column in texts:
            fused = model.text_encoder(
                **self.parts.tokens(column),
                encoder_hidden_states=patches,
                encoder_attention_mask=torch.ones(patches.shape[:-1], dtype=torch.long, device=patches.device),
            )
            columns.append(model.itm_head(fused.last_hidden_state[:, 0]).softmax(dim=1)[:, 1])  # 1 is a match
        return torch.stack(columns, dim=1).cpu()


KINDS = {"flava": Flava, "blip": Blip}


def load_image_text_model(kind: str, folder: str | Path, device: torch.device) -> Flava | Blip:
    """Load a model with its image transform and tokenizer, in fp32 and in evaluation mode.

    Parameters
    ----------
    kind : str
        A key of `KINDS`.
    folder : str or Path
        ``config.json``, the weights (``model.safetensors``, or ``pytorch_model.bin``, which is read without executing
        anything), ``preprocessor_config.json`` and ``tokenizer.json`` or ``vocab.txt``.
    device : torch.device
        Where it computes.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If `transformers` is not installed, or the files are not those of such a model; the message names the folder.
    """
    folder = Path(folder)
    for names in FILES:
        if not any((folder / name).is_file() for name in names):
            raise FileNotFoundError(
                f"{folder}: expected the files of a published {KINDS[kind].family}, but {' or '.join(names)} is missing"
            )
    return KINDS[kind](folder, device)


class _Parts(NamedTuple):
    model: torch.nn.Module
    processor: object
    tokenizer: object

    def pixels(self, images: list[Image.Image]) -> Tensor:
        return self.processor(images, return_tensors="pt")["pixel_values"].to(self.model.device)

    def tokens(self, texts: list[str]) -> dict[str, Tensor]:
        encoded = self.tokenizer(texts, padding=True, return_tensors="pt").to(self.model.device)
        return {name: encoded[name] for name in ("input_ids", "attention_mask")}


def _load(folder: Path, model_class: type, processor_class: type, device: torch.device) -> _Parts:
    from transformers import BertTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()  # its report of weights: those of other heads are left out, and lost ones raise below
    local = {"local_files_only": True}
    try:
        model, found = model_class.from_pretrained(
            folder, **local, dtype=torch.float32, weights_only=True, trust_remote_code=False, output_loading_info=True
        )
        processor = processor_class.from_pretrained(folder, **local)
        tokenizer = BertTokenizer.from_pretrained(folder, **local)
    except Exception as error:  # transformers raises many types for damaged and foreign files
        raise ValueError(f"{folder}: not the files of a {model_class.__name__} ({error!r:.300})") from error
    # transformers draws weights that it does not find at random.
    lost = sorted(found["missing_keys"]) + [str(name) for name in found["mismatched_keys"]]
    if lost:
        raise ValueError(
            f"{folder}: expected all weights of a {model_class.__name__}, found {len(lost)} missing, such as {lost[0]}"
        )
    words, places = len(tokenizer), model.config.text_config.vocab_size
    if not 0 <= places - words <= 2:  # BLIP has two words more than its tokenizer
        raise ValueError(f"{folder}: expected a tokenizer of the model's {places} words, found one of {words}")
    return _Parts(model.eval().to(device), processor, tokenizer)
