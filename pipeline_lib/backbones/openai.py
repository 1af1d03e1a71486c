"""Take one of OpenAI's released CLIPs as a backbone.

::

    python -m pipeline_lib.backbones.openai --backbone vit-b32 --name ViT-B/32 --download-root data/openai-clip \\
        --checkpoint model.pt --record run.json

`clip` downloads the weights into the folder unless they lie there; ``--path`` names a file that you have. Either way
its SHA-256 is checked. The checkpoint is that of `save_checkpoint`, in fp32.
"""

import argparse
from pathlib import Path

from pipeline_lib.clip.load import load_openai_clip, save_checkpoint
from pipeline_lib.clip.training import RunRecord, baseline
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import write_json


def main() -> None:
    """Store the model that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backbone", required=True, help="its name in this pipeline")
    parser.add_argument("--name", required=True, help="its name at OpenAI")
    parser.add_argument("--download-root", type=Path, required=True)
    parser.add_argument("--path", type=Path, help="OpenAI's file, so that nothing is downloaded")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--record", type=Path, required=True)
    args = parser.parse_args()
    record = RunRecord(baseline(args.backbone), {"source": "openai", "name": args.name})
    model = load_openai_clip(args.name, str(args.download_root), args.path)
    save_checkpoint(args.checkpoint, model)
    write_json(args.record, record.finish())


if __name__ == "__main__":
    run(main)
