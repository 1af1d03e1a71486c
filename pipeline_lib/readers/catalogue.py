"""All readers by their names in config ``features.pools``: the workflow asks them which files a pool needs.

A reader of your own is a module beside these and two lines here.
"""

from pipeline_lib.readers import (
    caltech_101,
    cifar_10,
    cifar_100,
    coco,
    crepe,
    crops,
    flowers_102,
    folder,
    food_101,
    imagenet,
    oxford_pets,
    stanford_cars,
    tar,
    voc2007,
)
from pipeline_lib.readers.reader import Reader

READERS: dict[str, Reader] = {
    "caltech-101": caltech_101.READER,
    "cifar-10": cifar_10.READER,
    "cifar-100": cifar_100.READER,
    "coco": coco.READER,
    "crepe": crepe.READER,
    "crops": crops.READER,
    "flowers-102": flowers_102.READER,
    "folder": folder.READER,
    "food-101": food_101.READER,
    "imagenet": imagenet.READER,
    "oxford-pets": oxford_pets.READER,
    "stanford-cars": stanford_cars.READER,
    "tar": tar.READER,
    "voc2007": voc2007.READER,
}
