"""Keys and options that are given twice: YAML, JSON and Snakemake keep the last one and drop the others silently."""

import json
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import yaml

from pipeline_lib.jobs.text import read_text

#: Each takes several values, and replaces what the same option said before.
OPTIONS = {"--configfile": "--configfile", "--configfiles": "--configfile", "--config": "--config", "-C": "--config"}


def check_repeated(files: Iterable[str | Path], arguments: Sequence[str]) -> None:
    """Raise a `ValueError` if a configuration file, or the arguments of Snakemake, give something twice."""
    if found := repeated_options(arguments) + [line for path in files for line in repeated_keys(path)]:
        raise ValueError("the configuration gives something twice:\n" + "\n".join(found))


def repeated_keys(path: str | Path) -> list[str]:
    """Return a line for each key that a mapping of a configuration file, YAML or JSON, has more than once.

    A key is the same whether it is in quotes or not. What a mapping takes from another by ``<<`` it may say again.
    """
    text = read_text(path)
    try:
        json.loads(text)
        text = text.replace("\t", " ")  # a tab between JSON's words, which YAML refuses; in its texts there is none
    except ValueError:
        pass
    return [
        f"{path}: expected each key once, found {name} in lines {first} and {second}; "
        "the first would be lost: join them, or remove one"
        for name, first, second in _repeated(yaml.compose(text, Loader=yaml.FullLoader))
    ]


def _repeated(top: yaml.Node | None) -> Iterator[tuple[str, int, int]]:
    """Yield the place of each repeated key, as ``fetch/timeout_s``, and the lines of both."""
    todo, seen = [(top, "")], set()
    while todo:
        node, place = todo.pop()
        if id(node) in seen or not isinstance(node, yaml.CollectionNode):
            continue
        seen.add(id(node))  # an alias leads to the same node again, even to one around it
        if isinstance(node, yaml.SequenceNode):
            todo += [(entry, f"{place}{number}/") for number, entry in enumerate(node.value)]
            continue
        lines: dict[Hashable, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # a list or mapping as key, which the check of the configuration refuses
            meant, line = _meaning(key), key.start_mark.line + 1
            if meant in lines:
                yield f"{place}{key.value}", lines[meant], line
            lines[meant] = line
            todo.append((value, f"{place}{key.value}/"))


def _meaning(key: yaml.ScalarNode) -> Hashable:
    """Return the value that a key is read as: ``no`` and ``off`` are both false."""
    if key.tag == "tag:yaml.org,2002:merge":
        return "merge", key.value
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(key)
    except (ValueError, yaml.YAMLError):
        return key.tag, key.value
    finally:
        loader.dispose()


def repeated_options(arguments: Sequence[str]) -> list[str]:
    """Return a line for each option of `OPTIONS`, and each key of ``--config``, that Snakemake's arguments repeat."""
    counts, keys, option = Counter(), Counter(), None
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if argument.startswith("-"):
            option = OPTIONS.get(name)
            counts[option] += 1
            argument = value if equals else ""
        key, equals, value = argument.partition("=")
        if option == "--config" and equals:
            keys[key] += 1
            with suppress(yaml.YAMLError):  # a text
                for place, _, _ in _repeated(yaml.compose(value, Loader=yaml.BaseLoader)):
                    keys[f"{key}/{place}"] = max(2, keys[f"{key}/{place}"] + 1)
    return [
        f"{option}: expected once, found {counts[option]} times, of which only the last would count; "
        f"write all values after one: {option} {values}"
        for option, values in (("--configfile", "FILE FILE"), ("--config", "KEY=VALUE KEY=VALUE"))
        if counts[option] > 1
    ] + [
        f"--config: expected each key once, found {key} {n} times; join them, or keep one"
        for key, n in keys.items()
        if n > 1
    ]
