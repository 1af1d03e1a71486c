"""All readers by their names in config ``features.pools``, and where each is declared in this package."""

READER_PLACES = {
    "caltech-101": "torchvision_sets.CALTECH_101",
    "cifar-10": "cifar.CIFAR_10",
    "cifar-100": "cifar.CIFAR_100",
    "coco": "plain.COCO",
    "crepe": "crops.CREPE",
    "crops": "crops.NEGREFCOCOG",
    "flowers-102": "torchvision_sets.FLOWERS_102",
    "folder": "plain.FOLDER",
    "food-101": "torchvision_sets.FOOD_101",
    "imagenet": "imagenet.IMAGENET",
    "oxford-pets": "torchvision_sets.OXFORD_PETS",
    "stanford-cars": "torchvision_sets.STANFORD_CARS",
    "tar": "plain.TAR",
    "voc2007": "voc2007.VOC2007",
}
