"""Class names, templates, and which templates each prompt of a dataset has.

The files are text with one name or template per line; CLIP's own lie under ``config/classes`` and ``config/templates``.
A prompt's templates are a list, or the word ``dataset``: those of the dataset's own file.
"""

from pathlib import Path

from pipeline_lib.jobs.text import read_text

#: What a prompt may be called: the three that every run has, then those that it may leave out.
PROMPTS = ("plain", "negated", "bare", "photo", "ensemble")
NEEDED = PROMPTS[:3]
OWN = "dataset"


def _read_lines(path: str | Path, what: str) -> list[str]:
    """Return the lines of a file, none of them empty; `what` says in a message what a line should be."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; expected one with {what} per line")
    lines = read_text(path).splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            raise ValueError(f"{path}, line {number}: expected {what}, found an empty line")
    return lines


def read_classes(path: str | Path) -> list[str]:
    """Return the class names of a file, one per line, in the order of their labels.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a line is empty; the message names file and line.
    """
    return _read_lines(path, "a class name")


def read_templates(path: str | Path) -> list[str]:
    """Return the templates of a file, one per line; `prompts_of` wants one ``{}`` in each.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a line is empty; the message names file and line.
    """
    return _read_lines(path, "a template")


def prompt_problems(zeroshot: dict) -> list[str]:
    """Return what is wrong with the prompts of the config section ``evaluate/zeroshot``, one line per problem.

    Every dataset is measured under every prompt, so it must have templates wherever a prompt asks for its own, and
    its own ``prompts`` can only stand in the place of common ones.
    """
    problems = []
    for dataset in zeroshot["datasets"]:
        where = f"evaluate/zeroshot/datasets/{dataset['name']}"
        own = dataset.get("prompts", {})
        problems += [
            f"{where}/prompts: {prompt!r} is no prompt of evaluate/zeroshot/prompts ({', '.join(zeroshot['prompts'])})"
            for prompt in own
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

    Parameters
    ----------
    zeroshot : dict
        The section. Lists of names that are not there yet are left to the evaluation.
    labels : dict
        Dataset -> how many labels its reader gives; None where that is not known, as of a tar.
    images : dict
        Dataset -> the files of its images, for the message.
    """
    problems = []
    for dataset in zeroshot["datasets"]:
        name, path = dataset["name"], dataset["classes"]
        expected = labels.get(name)
        if expected is not None and Path(path).is_file() and (found := len(read_classes(path))) != expected:
            problems.append(
                f"{path}: expected {expected} class names, one for each label of {name} as read from "
                f"{', '.join(images[name])}; found {found}"
            )
    return problems


def prompt_flags(zeroshot: dict, files: dict[str, str]) -> list[list[str]]:
    """Return the values of ``--prompt`` for the config section ``evaluate/zeroshot``, as `prompts_of` reads them.

    Parameters
    ----------
    zeroshot : dict
        The section, without problems.
    files : dict
        Dataset -> its file of templates, where it has one.
    """
    # Of two files Snakemake puts the keys of the later first, so the order is ours.
    common = {prompt: zeroshot["prompts"][prompt] for prompt in PROMPTS if prompt in zeroshot["prompts"]}
    flags = [[prompt, *templates] for prompt, templates in common.items() if templates != OWN]
    for dataset in zeroshot["datasets"]:
        name, own = dataset["name"], dataset.get("prompts", {})
        for prompt, templates in (common | own).items():
            if templates == OWN:
                flags.append([f"{name}:{prompt}", f"@{files[name]}"])
            elif prompt in own:
                flags.append([f"{name}:{prompt}", *templates])
    return flags


def prompts_of(dataset: str, given: list[list[str]]) -> dict[str, list[str]]:
    """Return the templates of each prompt of a dataset, from the values of ``--prompt``.

    Parameters
    ----------
    dataset : str
        Its name.
    given : list of list of str
        ``[NAME or DATASET:NAME, template, ...]`` or ``[..., @FILE]``; of two for the same prompt the later counts.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a template does not have exactly one place for the class name; the message names the prompt.
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
