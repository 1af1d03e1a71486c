"""Make a folder of a run's CC-Neg that the Hugging Face hub shows and `datasets` loads.

::

    python -m pipeline_lib.share.dataset --run results/paper --output cc-neg
    python -m pipeline_lib.share.dataset --run results/paper --output cc-neg --image-licence "own photos, CC BY 4.0"

======================================  ================================================================================
``data/train.parquet, eval.parquet``    a row per sample: ``key``, ``link``, ``caption``, ``negated_caption``,
                                        ``exclusion_caption``, ``object``, ``word``, ``pairs``, ``quality``
``images/train-00000.tar, …``           the same samples with their images as WebDataset shards, if a licence is stated
``README.md``                           the card: counts, quality, the models that see no image, provenance, licences
======================================  ================================================================================

Images belong to their owners. They are left out unless the caller says by ``--image-licence`` under which terms they
are given on; the text stands on the card.
"""

import argparse
import shutil
from pathlib import Path

import pandas as pd

from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import atomic, read_json, read_parquet, write_parquet, write_text
from pipeline_lib.share.card import blind_numbers, find_tables, new_folder, write_card

SPLITS = ("train", "eval")
COLUMNS = {
    "key": "number of the row in the captions file, nine digits; names the sample everywhere",
    "link": "address of the image when it was fetched",
    "caption": "the true caption",
    "negated_caption": "the caption with one thing denied, false for the image",
    "exclusion_caption": "the caption without what is denied",
    "object": "what is denied",
    "word": "the word that denies: no, not or without",
    "pairs": "all predicate-object pairs of the caption, of which one was chosen",
    "quality": "probability that a strict reader calls the negated caption good",
}


def samples(run_folder: Path, split: str) -> pd.DataFrame:
    """Return the samples of a split with `COLUMNS`, in the order of their keys."""
    frame = read_parquet(run_folder / "shards" / f"{split}.parquet").rename(columns={"negation_word": "word"})
    for stage, columns in _JOINED.items():
        frame = frame.merge(_joined(run_folder, stage, columns, frame["key"]), on="key", how="left")
    frame = frame.rename(columns={"url": "link"})
    if lacking := int(frame[["link", "quality"]].isna().any(axis=1).sum()):
        raise ValueError(
            f"{run_folder}: {lacking} samples of the split {split} have no link or no quality, so its tables are not "
            "of one run: finish it, `snakemake --cores 8`"
        )
    return frame[list(COLUMNS)].sort_values("key", ignore_index=True)


_JOINED = {"captions": ["key", "pairs", "quality"], "fetch": ["key", "url"]}


def _joined(run_folder: Path, stage: str, columns: list[str], keys: pd.Series) -> pd.DataFrame:
    """Return what a stage's tables say of `keys`; of the rows of other keys, never more than one table's are held."""
    paths = sorted((run_folder / stage).glob("[0-9]*.parquet"))
    if not paths:
        raise FileNotFoundError(
            f"{run_folder / stage}: no table of the stage {stage}; `snakemake --cores 8` makes it. The authors' own "
            "CC-Neg, of which a run has no links, is theirs to share"
        )
    keys = pd.Index(keys)
    return pd.concat(part[part["key"].isin(keys)] for part in (read_parquet(path, columns) for path in paths))


def share(run_folder: Path, output: Path, image_licence: str | None) -> None:
    """Write the folder; `image_licence` states the terms under which images are given on, None leaves them out."""
    tables = find_tables(run_folder)
    frames = {split: samples(run_folder, split) for split in SPLITS}
    for split, frame in frames.items():
        write_parquet(output / "data" / f"{split}.parquet", frame)
    shards = sorted((run_folder / "shards").glob("*-[0-9]*.tar")) if image_licence else []
    for shard in shards:
        with atomic(output / "images" / shard.name) as aside:
            shutil.copyfile(shard, aside)
    index = read_json(run_folder / "shards" / "index.json")
    blind = blind_numbers(tables[tables.table == "ccneg"])
    card = write_card(
        "dataset.md.j2",
        run=run_folder.name,
        record=read_json(min(run_folder.glob("finetune/*/run.json"))),
        frames=frames,
        every=pd.concat(frames.values()),
        columns=COLUMNS,
        rows=index["rows"],
        blind={row.model: row.value for row in blind.itertuples()},
        shards=shards,
        image_licence=image_licence,
    )
    write_text(output / "README.md", card)


def main() -> None:
    """Make the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished run, such as results/miniature")
    parser.add_argument("--output", type=Path, required=True, help="output: folder")
    parser.add_argument(
        "--image-licence", help="terms under which you share the images; without this option they are left out"
    )
    args = parser.parse_args()
    with new_folder(args.output) as aside:
        share(args.run, aside, args.image_licence)
    print(f"{args.output}: ready. To upload it: hf upload --repo-type dataset YOUR-NAME/cc-neg {args.output}")


if __name__ == "__main__":
    run(main)
