"""Class names, templates, and which of them each prompt of a dataset has.

The files are text with one name or template per line; CLIP's own lie under ``config/classes`` and ``config/templates``.
A prompt's templates are a list, or the word ``dataset``: those of the dataset's own file. A dataset's class names are
those of its file ``classes``, but for prompts of which ``prompt_classes`` names another.
"""

from pathlib import Path

from pipeline_lib.jobs.text import read_lines

#: What a prompt may be called: the three that every run has, then those that it may leave out.
PROMPTS = ("plain", "negated", "bare", "photo", "ensemble")
NEEDED = PROMPTS[:3]
OWN = "dataset"


def _read_lines(path: str | Path, what: str) -> list[str]:
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; expected one with {what} per line")
    lines = [line.strip() for line in read_lines(path)]
    if not lines:
        raise ValueError(f"{path}: expected {what} per line, found an empty file")
    for number, line in enumerate(lines, 1):
        if not line:
            raise ValueError(f"{path}, line {number}: expected {what}, found an empty line")
    return lines


def read_classes(path: str | Path) -> list[str]:
    """Return the class names of a file, one per line, in the order of their labels."""
    return _read_lines(path, "a class name")


def read_templates(path: str | Path) -> list[str]:
    """Return the templates of a file, one per line; `prompts_of` checks them."""
    return _read_lines(path, "a template")


def prompt_problems(zeroshot: dict) -> list[str]:
    """Return what is wrong with the prompts of the config section ``evaluate/zeroshot``, one line per problem.

    Every dataset is measured under every prompt: it needs templates wherever a prompt asks for its own, and its own
    ``prompts`` can only replace common ones.
    """
    problems = []
    for name, dataset in zeroshot["datasets"].items():
        where = f"evaluate/zeroshot/datasets/{name}"
        own = dataset.get("prompts", {})
        problems += [
            f"{where}/{key}: {prompt!r} is no prompt of evaluate/zeroshot/prompts ({', '.join(zeroshot['prompts'])})"
            for key in ("prompts", "prompt_classes")
            for prompt in dataset.get(key, ())
            if prompt not in zeroshot["prompts"]
        ]
        problems += [
            f"{where}: the prompt {prompt!r} takes the dataset's own templates; name a file of them under `templates`"
            for prompt, templates in (zeroshot["prompts"] | own).items()
            if templates == OWN and "templates" not in dataset
        ]
    return problems


def class_problems(zeroshot: dict, labels: dict[str, int | None], images: dict[str, list[str]]) -> list[str]:
    """Return which sets of the config section ``evaluate/zeroshot`` have more or fewer class names than labels.

    `labels` says how many labels each dataset's reader gives (None where that is not known, as of a tar), `images`
    where its images are. Lists of names that are not there yet are left to the evaluation.
    """
    return [
        f"{path}: expected {expected} class names, one for each label of {name} as read from "
        f"{', '.join(images[name])}; found {found}"
        for name, dataset in zeroshot["datasets"].items()
        for path in class_files(dataset)
        if (expected := labels.get(name)) is not None and Path(path).is_file()
        if (found := len(read_classes(path))) != expected
    ]


def class_files(dataset: dict) -> list[str]:
    """Return the files of class names of an entry of ``evaluate/zeroshot/datasets``."""
    return [dataset["classes"], *dataset.get("prompt_classes", {}).values()]


def prompt_flags(zeroshot: dict, files: dict[str, str]) -> list[list[str]]:
    """Return the values of ``--prompt`` for the config section ``evaluate/zeroshot``, as `prompts_of` reads them.

    `files` has each dataset's own file of templates, where there is one.
    """
    # Of two files Snakemake puts the keys of the later first, so the order is ours.
    common = {prompt: zeroshot["prompts"][prompt] for prompt in PROMPTS if prompt in zeroshot["prompts"]}
    flags = [[prompt, *templates] for prompt, templates in common.items() if templates != OWN]
    for name, dataset in zeroshot["datasets"].items():
        own = dataset.get("prompts", {})
        for prompt, templates in (common | own).items():
            if templates == OWN:
                flags.append([f"{name}:{prompt}", f"@{files[name]}"])
            elif prompt in own:
                flags.append([f"{name}:{prompt}", *templates])
    return flags


def prompts_of(dataset: str, given: list[list[str]]) -> dict[str, list[str]]:
    """Return the templates of each prompt of a dataset, from the values of ``--prompt``.

    A value is ``[NAME or DATASET:NAME, template, ...]`` or ``[..., @FILE]``; of two for one prompt the later counts.
    Each template must have exactly one ``{}``.
    """
    found = {}
    for said, *templates in given:
        owner, _, prompt = said.rpartition(":")
        if owner in ("", dataset):
            found[prompt] = read_templates(templates[0][1:]) if templates[0].startswith("@") else templates
    for prompt, templates in found.items():
        for template in templates:
            if template.count("{}") != 1:
                raise ValueError(f"prompt {prompt} of {dataset}: a template needs one {{}}, found {template!r}")
    return found
