"""Keys and options that are given twice: YAML, JSON and Snakemake keep the last one and drop the others silently."""

import argparse
import json
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

import yaml

from pipeline_lib.jobs.text import read_text


def check_repeated(files: Iterable[str | Path], arguments: Sequence[str]) -> None:
    """Raise a `ValueError` if a configuration file, or the arguments of Snakemake, give something twice."""
    if found := repeated_options(arguments) + [line for path in files for line in repeated_keys(path)]:
        raise ValueError("the configuration gives something twice:\n" + "\n".join(found))


def repeated_keys(path: str | Path) -> list[str]:
    """Return a line for each key that a mapping of a configuration file, YAML or JSON, has more than once.

    A key is the same whether it is in quotes or not. What a mapping takes from another by ``<<`` it may say again.
    """
    text = read_text(path)
    with suppress(ValueError):
        json.loads(text)
        text = text.replace("\t", " ")  # a tab between JSON's words, which YAML refuses; in its texts there is none
    return [
        f"{path}: expected each key once, found {name} in lines {first} and {second}; "
        "the first would be lost: join them, or remove one"
        for name, first, second in _repeated(text)
    ]


class _Loader(yaml.SafeLoader):
    """Notes the keys that a mapping repeats: name, and the lines of both."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.repeated: list[tuple[str, int, int]] = []

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node, lines = super().compose_mapping_node(anchor), {}
        # A list or mapping as key is left to the check of the configuration.
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            meant, line = self._meaning(key), key.start_mark.line + 1
            if meant in lines:
                self.repeated.append((key.value, lines[meant], line))
            lines[meant] = line
        return node

    def _meaning(self, key: yaml.ScalarNode) -> Hashable:
        """Return the value that a key is read as: ``no`` and ``off`` are both false."""
        with suppress(ValueError, yaml.YAMLError):
            if key.tag != "tag:yaml.org,2002:merge":
                return self.construct_object(key)
        return key.tag, key.value


def _repeated(text: str) -> list[tuple[str, int, int]]:
    loader = _Loader(text)
    loader.get_single_node()
    return loader.repeated


def repeated_options(arguments: Sequence[str]) -> list[str]:
    """Return a line for each option that Snakemake's arguments repeat, and each key of ``--config``."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--configfile", "--configfiles", nargs="*", action="append", default=[])
    parser.add_argument("--config", "-C", nargs="*", action="append", default=[])
    given, _ = parser.parse_known_args(arguments)
    options = (("configfile", "FILE FILE"), ("config", "KEY=VALUE KEY=VALUE"))
    lines = [
        f"--{option}: expected once, found {len(vars(given)[option])} times, of which only the last would count; "
        f"write all values after one: --{option} {values}"
        for option, values in options
        if len(vars(given)[option]) > 1
    ]
    pairs = [text.partition("=")[::2] for text in chain(*given.config)]
    repeated = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    for key, value in pairs:
        with suppress(yaml.YAMLError):  # a text
            repeated += [f"{key}/{name}" for name, _, _ in _repeated(value)]
    return lines + [
        f"--config: expected each key once, found {name} more than once; join them, or keep one" for name in repeated
    ]
