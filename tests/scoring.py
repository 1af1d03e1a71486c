"""What tests of scoring share: a working folder with models, images and captions."""

import pandas as pd
import torch
from conftest import TINY, TINY_RESNET, jpeg_bytes
from fetching import turned
from PIL import Image

from pipeline_lib.backbones.export import export_huggingface, export_open_clip
from pipeline_lib.backbones.pretrain import build
from pipeline_lib.clip.load import save_checkpoint
from pipeline_lib.formats.pixels import encoded
from pipeline_lib.jobs.files import write_json
from pipeline_lib.jobs.run_record import baseline

CAPTIONS = ["this is a photo of a dog", "not a photo of a dog", "no dog", "a dog"]
SIZE = (32, 32)  # that of the models: a resize would differ between libraries by rounding


def halves(mode, left, right, size=SIZE):
    """An image of two colours, so that it matters how it lies."""
    image = Image.new(mode, size, left)
    image.paste(right, (size[0] // 2, 0, *size))
    return image


def make_work_folder(folder):
    """Put a run of five models, exports of one of them, images and captions into a folder."""
    (folder / "results").mkdir()
    (folder / "results" / "active-run.txt").write_text("miniature\n")
    for seed, (stage, name, backbone) in enumerate(
        [
            ("backbones", "mini-rn", "mini-rn"),
            ("backbones", "other", "other"),
            ("finetune", "conclip-rn-s0", "mini-rn"),
            ("finetune", "l1-rn-s0", "mini-rn"),
            ("finetune", "l1-other-s0", "other"),
        ]
    ):
        torch.manual_seed(seed)
        model = build(TINY_RESNET if backbone == "other" else TINY).eval()
        with torch.no_grad():
            model.logit_scale.fill_(seed + 1.0)
        place = folder / "results" / "miniature" / stage / name
        save_checkpoint(place / "model.pt", model)
        write_json(place / "run.json", baseline(name, "CLIP" if name == backbone else "CoN-CLIP", backbone))
        if name == "conclip-rn-s0":
            export_open_clip(model, folder / "open-clip")
            export_huggingface(model, folder / "hf-clip")
    (folder / "dog.jpg").write_bytes(jpeg_bytes())
    (folder / "photos" / "more").mkdir(parents=True)
    images = {
        "b.png": encoded(halves("RGBA", (255, 0, 0, 255), (0, 0, 0, 0)), "PNG"),
        "a.jpg": encoded(halves("RGB", "red", "blue"), "JPEG", exif=turned(6)),
        "more/c.png": encoded(halves("RGB", "lime", "gold"), "PNG"),
        "notes.txt": b"no image",
    }
    for name, content in images.items():
        (folder / "photos" / name).write_bytes(content)
    (folder / "captions.txt").write_text("\n".join(CAPTIONS) + "\n")
    rows = [
        ("photos/b.png", "no dog"),
        ("photos/a.jpg", "a dog, red"),
        ("photos/b.png", 'a "dog"'),
        ("dog.jpg", "a dog"),
    ]
    pd.DataFrame(rows, columns=["image", "caption"]).to_csv(folder / "pairs.csv", index=False)
