"""Make the miniature world: every file that the paper's run would download, small, drawn and seeded.

::

    python -m pipeline_lib.miniature.make --folder results/miniature/miniature --seed 0 --captions 12000 \\
        --pretrain 12000 --pool 4000 --zeroshot 600 --sugarcrepe 300 --crepe 4000 \\
        --negation 1500 --hosts 40 --answers dead=0.05 --answers silent=0.001

(about 15 seconds). Files in the folder:

======================================  ================================================================================
``cc3m.tsv``                            ``caption TAB url``, no header: stands for CC3M's training file
``web.tar``, ``answers.parquet``        what the hosts in those URLs serve, and how (`pipeline_lib.miniature.serve`)
``pretrain.tar``                        images with affirmative captions, to pretrain backbones on
``pool.tar``                            images to choose distractors from: stands for COCO train2017
``zeroshot/NAME.tar``, ``.classes.txt`` eight labelled sets (``KEY.jpg``, ``KEY.json`` with ``label``) and their classes
``sugarcrepe/PART.json``                seven files in SugarCREPE's format, on the images of ``sugarcrepe.tar``
``crepe.tar``, ``crepe/*.csv``          images, and captions with a hard negative in CREPE-Negate's format
``negation/instances.json``, ``.tar``   images, and what they show in COCO's format of instances
``negation/mcq.csv``                    questions in NegBench's format, on the images of ``negation.tar``
``scenes.parquet``                      the truth: what every image shows
======================================  ================================================================================
"""

import argparse
import dataclasses
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random

import pandas as pd

from pipeline_lib.formats.crepe import captions_files
from pipeline_lib.formats.tars import sealed, write_samples
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import atomic, write_json, write_parquet, write_text
from pipeline_lib.jobs.options import add_options, from_args
from pipeline_lib.jobs.progress import progress
from pipeline_lib.miniature import Scene, sample_scene
from pipeline_lib.miniature.describe import LABELLED, PARTS, caption, crepe_item, sugarcrepe_item
from pipeline_lib.miniature.draw import CANVAS_PX, draw, jpeg
from pipeline_lib.miniature.negation import COLUMNS, concepts_of, instances, questions
from pipeline_lib.miniature.settings import WorldSettings

Describe = Callable[[Scene, Random], dict | None]


class World:
    """Draws image pools into a folder; everything follows from the seed and the pool's name."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.truth: list[dict] = []  # what each image shows

    def pool(self, name: str, count: int, arrangement: str | None, describe: Describe) -> list[tuple[str, Scene, dict]]:
        """Draw `count` scenes into ``NAME.tar``; return key, scene and ``KEY.json`` of each image.

        `arrangement` is as `sample_scene` takes it. `describe` returns what ``KEY.json`` says of a scene, or None if
        the scene does not fit the pool.
        """
        drawn = []

        def samples() -> Iterator[tuple[str, dict[str, bytes]]]:
            for number in progress(range(count), f"draw {name}", "images"):
                rng = Random(f"{self.seed}/{name}/{number}")
                said = None
                while said is None:
                    scene = sample_scene(rng, arrangement)
                    said = describe(scene, rng)
                key = f"{number:09d}"
                drawn.append((key, scene, said))
                self.truth.append({"pool": name, "key": key, "scene": json.dumps(dataclasses.asdict(scene))})
                yield key, sealed(jpeg(draw(scene, rng)), said)

        write_samples(self.folder / f"{name}.tar", samples())
        return drawn


def _caption_only(scene: Scene, rng: Random) -> dict:
    return {"caption": caption(scene, rng)}


def _labelled(label_of: Callable[[Scene], int | None], scene: Scene, _: Random) -> dict | None:
    label = label_of(scene)
    return None if label is None else {"label": label}


def _write_web(world: World, count: int, hosts: int, shares: dict[str, float]) -> None:
    drawn = world.pool("web", count, None, _caption_only)
    rng = Random(f"{world.seed}/hosts")
    # As on the real web, few hosts hold most of the images.
    weights = [1 / (rank + 1) for rank in range(hosts)]
    rows, lines = [], []
    for key, _, said in drawn:
        host = rng.choices(range(hosts), weights=weights)[0]
        url = f"http://host-{host:02d}.miniature.test/images/{int(key):x}.jpg"
        answer = rng.choices([*shares, "ok"], weights=[*shares.values(), 1 - sum(shares.values())])[0]
        rows.append({"url": url, "key": key, "answer": answer})
        lines.append(f"{said['caption']}\t{url}\n")
    write_parquet(world.folder / "answers.parquet", pd.DataFrame(rows))
    write_text(world.folder / "cc3m.tsv", "".join(lines))


def _write_sugarcrepe(world: World, count: int) -> None:
    drawn = world.pool("sugarcrepe", count, "pair", _caption_only)
    for part in PARTS:
        rng = Random(f"{world.seed}/sugarcrepe/{part}")
        # "a next to b" is as true with a and b swapped, so it makes no swap_obj item.
        usable = [(key, scene) for key, scene, _ in drawn if part != "swap_obj" or scene.relation != "next to"]
        items = [{"filename": f"{key}.jpg", **sugarcrepe_item(scene, part, rng)} for key, scene in usable]
        content = {str(number): item for number, item in enumerate(items)}
        write_json(world.folder / "sugarcrepe" / f"{part}.json", content)


def _write_crepe(world: World, count: int) -> None:
    drawn = world.pool("crepe", count, "pair", crepe_item)
    whole = {"x": 0, "y": 0, "width": CANVAS_PX, "height": CANVAS_PX}
    rows = [
        {"image_id": key, **whole, "caption": said["caption"], "hard_negs": repr([said["negated_caption"]])}
        for key, _, said in drawn
    ]
    # A real file holds the captions of one complexity; here all are alike and dealt out.
    files = captions_files(str(world.folder / "crepe"))
    for first, path in enumerate(files):
        with atomic(path) as aside:
            pd.DataFrame(rows[first :: len(files)]).to_csv(aside, index=False)


def _write_negation(world: World, count: int) -> None:
    shown = {key: concepts_of(scene) for key, scene, _ in world.pool("negation", count, None, _caption_only)}
    write_json(world.folder / "negation" / "instances.json", instances(shown))
    asked = pd.DataFrame(questions(shown, count // 5, Random(f"{world.seed}/mcq")), columns=COLUMNS)
    with atomic(world.folder / "negation" / "mcq.csv") as aside:
        asked.to_csv(aside, index=False)


def main() -> None:
    """Make the world that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, required=True, help="output: folder for all files")
    add_options(parser, WorldSettings)
    args = parser.parse_args()
    settings = from_args(WorldSettings, args)

    world = World(args.folder, settings.seed)
    _write_web(world, settings.captions, settings.hosts, settings.answers)
    world.pool("pretrain", settings.pretrain, None, _caption_only)
    world.pool("pool", settings.pool, None, _caption_only)
    for name, (classes, arrangement, label_of) in LABELLED.items():
        world.pool(f"zeroshot/{name}", settings.zeroshot, arrangement, partial(_labelled, label_of))
        write_text(args.folder / "zeroshot" / f"{name}.classes.txt", "".join(f"{entry}\n" for entry in classes))
    _write_sugarcrepe(world, settings.sugarcrepe)
    _write_crepe(world, settings.crepe)
    _write_negation(world, settings.negation)
    write_parquet(args.folder / "scenes.parquet", pd.DataFrame(world.truth))


if __name__ == "__main__":
    run(main)
