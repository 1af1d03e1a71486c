"""What a run's results come from: code, configuration, versions, and the hashes of inputs and weights.

Times and the state of the repository are those of the page's making; each trained model's ``run.json`` has its own.
"""

import json
import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import yaml

from pipeline_lib.config.inputs import external_files, fetched_weights
from pipeline_lib.jobs.code_version import checked_out
from pipeline_lib.jobs.files import read_json, sha256

#: Larger files from outside are listed without a hash: reading 100 GB of images takes longer than the page is worth.
MOST_HASHED_BYTES = 2_000_000_000


def code_and_machine() -> list[tuple[str, str]]:
    """Return when, with which code and on what the page was made."""
    state = checked_out()
    commit = state.commit or "unknown: not a git checkout"
    return [
        ("made", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("commit", commit + (", with changes that are not committed" if state.dirty else "")),
        ("python", platform.python_version()),
        ("machine", f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"),
    ]


def packages() -> list[tuple[str, str]]:
    """Return name and version of every installed package."""
    found = {distribution.name.lower(): distribution.version for distribution in metadata.distributions()}
    return sorted(found.items())


def weights(paths: list[str]) -> list[tuple[str, int, str]]:
    """Return stage and model, bytes and SHA-256 of files of weights, ``.../STAGE/MODEL/model.pt``.

    Raises
    ------
    FileNotFoundError
        If one is not there.
    """
    return [(named(path), Path(path).stat().st_size, sha256(path)) for path in paths]


def inputs(config: dict) -> list[tuple[str, str, int | None, str]]:
    """Return what the run took from outside: the configuration's key, path, bytes and SHA-256.

    Folders have no bytes, and neither they nor files above `MOST_HASHED_BYTES` a hash. What is not there is left out:
    a run may do without.
    """
    rows = []
    for key, files in (external_files(config) | fetched_weights(config)).items():
        for path in map(Path, files):
            if path.is_dir():
                rows.append((key, str(path), None, "a folder"))
            elif path.is_file():
                size = path.stat().st_size
                rows.append((key, str(path), size, sha256(path) if size <= MOST_HASHED_BYTES else "not hashed"))
    return rows


def as_yaml(config: dict) -> str:
    """Return the configuration as YAML, in the order in which the configuration files have it."""
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=110)


def facts(path: str) -> list[tuple[str, str]]:
    """Return a ``run.json`` as (key, value) pairs of text; keys of nested objects are joined by dots.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a JSON object.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; the stage that makes the model makes it")
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object, found {type(content).__name__}")
    return _flat(content, "")


def named(path: str) -> str:
    """Return stage and model of a file ``.../STAGE/MODEL/NAME``."""
    return "/".join(Path(path).parts[-3:-1])


def _flat(content: dict, prefix: str) -> list[tuple[str, str]]:
    pairs = []
    for key, value in content.items():
        if isinstance(value, dict):
            pairs += _flat(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            pairs.append((f"{prefix}{key}", text))
    return pairs
