"""Print the table of all options of the configuration, ``config/reference.md``: type and bounds, default, meaning.

::

    python -m pipeline_lib.config.reference >config/reference.md

Types and bounds come from `pipeline_lib.config.models`. Defaults, and what an option means, are read from
``config/config.yaml`` and the comments in it; what no file shows is described in the models.
"""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from pipeline_lib.config.errors import allowed, inner, schema_of
from pipeline_lib.config.models import Config
from pipeline_lib.jobs.cli import run

FILES = ("config/config.yaml", "config/released-ccneg.yaml")
ENTRY = re.compile(r"(?<=^backbones\.models\.)[\w-]+")  # the only entries with options that have comments
HEADER = """# All options

Made by `python -m pipeline_lib.config.reference` from the models that check a configuration and from `config.yaml`; a
test keeps it in step. `NAME` stands for a name of your own. [README.md](README.md) explains how the files are merged.
"""


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    defaults, comments = {}, {}
    for number, text in enumerate(Path(file).read_text(encoding="utf-8") for file in FILES):
        for path, default, comment in _described(yaml.compose(text), text.splitlines()):
            comments.setdefault(ENTRY.sub("NAME", path), comment)
            if number == 0 and default:
                defaults[path] = f"`{default}`"
    print(HEADER)
    print("| option | value | default | meaning |\n|---|---|---|---|")
    root = schema_of(Config)
    for path, schema in _options(root, root):
        meaning = comments.get(path) or schema.get("description", "")
        cells = [f"`{path}`", allowed(schema, root), defaults.get(path, ""), meaning]
        print(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")


def _options(schema: dict, root: dict, path: str = "") -> Iterator[tuple[str, dict]]:
    """Yield the options below a part of the schema, each with its own part."""
    for name, part in inner(schema, root).items():
        place = f"{path}.{name}".removeprefix(".")
        if inner(part, root):
            yield from _options(part, root, place)
        else:
            yield place, part


def _described(node: yaml.MappingNode, lines: list[str], path: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield key, default and comment of each option that is shown in a part of the configuration."""
    for key, value in node.value:
        place = f"{path}.{key.value}".removeprefix(".")
        if isinstance(value, yaml.MappingNode) and not value.flow_style:
            yield from _described(value, lines, place)
        start, end = value.start_mark, value.end_mark
        block = not isinstance(value, yaml.ScalarNode) and not value.flow_style
        row, rest = key.start_mark.line, "" if block else lines[end.line][end.column :]
        comment = [(lines[row].partition(" # ")[2] if block else rest.partition("# ")[2]).strip()]
        for line in lines[row + 1 :]:
            if not re.match(rf" {{{key.start_mark.column + 1},}}# ", line):
                break
            comment.append(line.strip(" #"))
        default = "" if block else " ".join(lines[start.line][start.column : end.column].split())
        yield place, default, " ".join(comment).strip()


if __name__ == "__main__":
    run(main)
