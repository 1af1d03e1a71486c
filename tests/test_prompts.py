"""CLIP's class names and templates: unchanged, in the order of the datasets' labels; the templates of a prompt."""

import hashlib

import pytest
from conftest import ROOT

from pipeline_lib.clip.load import load_torchvision
from pipeline_lib.evaluate.prompts import prompts_of, read_classes, read_templates

CLASSES, TEMPLATES = ROOT / "config" / "classes", ROOT / "config" / "templates"
#: Dataset -> number of classes, of templates, and the first 16 digits of the two files' sha256.
FILES = {
    "imagenet-1k": (1000, 80, "8800e39242cbed4c", "717aaf1055595d31"),
    "cifar-10": (10, 18, "2ce042b1e0b48db4", "7b155d8b94e26288"),
    "cifar-100": (100, 18, "3a5d9f36052f2b16", "7b155d8b94e26288"),
    "caltech-101": (101, 34, "8794942f1287b019", "9c2f7e234963a31c"),
    "stanford-cars": (196, 8, "51e39676a5ed5856", "66d2832d06ce4486"),
    "food-101": (101, 1, "66d80317ae31bf14", "6db321c4c7f208ec"),
    "flowers-102": (102, 1, "5af9f59a72228bf3", "1d8418345fa75de9"),
    "oxford-pets": (37, 1, "f8235b071a2ff6e4", "6d2ff729b46bfd62"),
}


@pytest.mark.parametrize("name", FILES)
def test_no_name_or_template_was_edited(name):
    n_classes, n_templates, *digests = FILES[name]
    assert len(read_classes(CLASSES / f"{name}.txt")) == n_classes
    assert len(read_templates(TEMPLATES / f"{name}.txt")) == n_templates
    for folder, digest in zip((CLASSES, TEMPLATES), digests, strict=True):
        assert hashlib.sha256((folder / f"{name}.txt").read_bytes()).hexdigest().startswith(digest)


def test_every_dataset_has_both_files():
    for folder in (CLASSES, TEMPLATES):
        assert {path.stem for path in folder.glob("*.txt")} == set(FILES)


#: Caltech-101's folders whose name is another than CLIP's.
RENAMED = {
    "off-center face": "Faces", "centered face": "Faces_easy", "leopard": "Leopards", "motorbike": "Motorbikes",
    "airplane": "airplanes", "side of a car": "car_side", "body of a cougar cat": "cougar_body",
    "face of a cougar cat": "cougar_face", "head of a  crocodile": "crocodile_head",
    "head of a flamingo": "flamingo_head", "snoopy (cartoon beagle)": "snoopy", "yin and yang symbol": "yin_yang",
}  # fmt: skip


def test_names_that_numbers_were_published_with_are_torchvision_s():
    names = {path.stem: read_classes(path) for path in (CLASSES / "torchvision").glob("*.txt")}
    ours = {name: read_classes(CLASSES / f"{name}.txt") for name in names}
    assert names.pop("flowers-102") == load_torchvision().datasets.Flowers102.classes
    folders = [RENAMED.get(name, name).replace("_", " ") for name in ours["caltech-101"]]
    assert names.pop("caltech-101") == folders
    assert names["cifar-100"] == [name.replace(" ", "_") for name in ours["cifar-100"]]
    assert sum("_" in name for name in names.pop("cifar-100")) == 9 and not names


def test_a_prompt_of_a_dataset_goes_before_one_for_all(tmp_path):
    (tmp_path / "own.txt").write_text("a bad photo of a {}.\nart of the {}.\n")
    given = [["plain", "a {}"], ["bare", "{}"], ["pets:bare", f"@{tmp_path / 'own.txt'}"], ["cars:ensemble", "my {}"]]
    assert prompts_of("pets", given) == {"plain": ["a {}"], "bare": ["a bad photo of a {}.", "art of the {}."]}
    assert prompts_of("cars", given) == {"plain": ["a {}"], "bare": ["{}"], "ensemble": ["my {}"]}


@pytest.mark.parametrize("template", ["a photo", "{} and {}"])
def test_a_template_without_exactly_one_class_is_an_error(tmp_path, template):
    with pytest.raises(ValueError, match=r"prompt plain of pets: a template needs one \{\}, found"):
        prompts_of("pets", [["plain", "a {}", template]])
    (tmp_path / "own.txt").write_text(f"{template}\n")
    with pytest.raises(ValueError, match=r"prompt plain of pets: a template needs one \{\}, found"):
        prompts_of("pets", [["plain", f"@{tmp_path / 'own.txt'}"]])


def test_a_missing_or_broken_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.txt: no such file; expected one with a template per line"):
        prompts_of("pets", [["plain", f"@{tmp_path / 'none.txt'}"]])
    (tmp_path / "own.txt").write_text("a {}\n\nb {}\n")
    with pytest.raises(ValueError, match=r"own\.txt, line 2: expected a template, found an empty line"):
        read_templates(tmp_path / "own.txt")
    (tmp_path / "own.txt").write_text("")
    with pytest.raises(ValueError, match=r"own\.txt: expected a template per line, found an empty file"):
        prompts_of("pets", [["plain", f"@{tmp_path / 'own.txt'}"]])


def test_classes_are_read_in_order_and_mistakes_named(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("dog \nred ball\n\n")
    assert read_classes(path) == ["dog", "red ball"]
    path.write_text("dog\n\ncat\n")
    with pytest.raises(ValueError, match=r"classes\.txt, line 2: expected a class name"):
        read_classes(path)


def test_orders_that_a_rule_describes():
    """Folder names are sorted by ASCII code, in which `_` comes before letters; the pets' ids ignore case."""
    foods = [name.replace(" ", "_") for name in read_classes(CLASSES / "food-101.txt")]
    assert foods == sorted(foods)
    fine_labels = [name.replace(" ", "_") for name in read_classes(CLASSES / "cifar-100.txt")]
    assert fine_labels == sorted(fine_labels)
    caltech = [RENAMED.get(name, name.replace(" ", "_")) for name in read_classes(CLASSES / "caltech-101.txt")]
    assert caltech == sorted(caltech)
    pets = read_classes(CLASSES / "oxford-pets.txt")
    assert pets == sorted(pets, key=str.lower) != sorted(pets)


def test_ensembles_begin_as_clip_lists_them():
    first = {path.stem: read_templates(path)[0] for path in TEMPLATES.glob("*.txt")}
    assert first["imagenet-1k"] == "a bad photo of a {}."
    assert first["food-101"] == "a photo of {}, a type of food."
    assert first["oxford-pets"] == "a photo of a {}, a type of pet."
    assert first["flowers-102"] == "a photo of a {}, a type of flower."
    assert all(first[name] == "a photo of a {}." for name in ("cifar-10", "cifar-100", "caltech-101", "stanford-cars"))
