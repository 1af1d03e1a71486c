"""Inspect everything that a configuration takes from outside."""

from typing import NamedTuple

from pipeline_lib.config.inputs import external_files, fetched_weights
from pipeline_lib.preflight.findings import FETCHED, MISSING, WRONG, Finding, inspect
from pipeline_lib.preflight.registry import Dataset, expected_at

CAPTIONS = "fetch/captions"  # the configuration's key


class Item(NamedTuple):
    """Files and folders that are read together.

    Attributes
    ----------
    dataset : Dataset or None
        What they are, by the registry.
    keys : list of str
        Where the configuration names them.
    found : dict of str to Finding
        What lies at each path.
    items : int
        Rows, entries or images there should be; 0 where unknown.
    """

    dataset: Dataset | None
    keys: list[str]
    found: dict[str, Finding]
    items: int

    @property
    def status(self) -> str:
        """Whether all is there and right; what is there only in part is wrong."""
        states = {finding.status for finding in self.found.values()}
        return states.pop() if len(states) == 1 else WRONG


def look(config: dict, datasets: list[Dataset], hashes: bool = False) -> list[Item]:
    """Inspect every file and folder that a run takes from outside.

    Parameters
    ----------
    config : dict
        The checked configuration.
    datasets : list of Dataset
        The registry.
    hashes : bool
        Whether to hash large files too.

    Returns
    -------
    list of Item
        In the configuration's order; what several keys name occurs once.
    """
    fetched = fetched_weights(config)
    items: dict[tuple, Item] = {}
    for key, paths in (external_files(config) | fetched).items():
        expected = {path: expected_at(path, datasets) for path in paths}
        for name in dict.fromkeys(about.dataset.name if about else None for about in expected.values()):
            here = {path: about for path, about in expected.items() if (about.dataset.name if about else None) == name}
            if (name, *here) in items:
                items[name, *here].keys.append(key)
                continue
            found = {path: inspect(path, about, hashes, key == CAPTIONS) for path, about in here.items()}
            if key in fetched:
                found = {p: Finding(FETCHED, "") if f.status == MISSING else f for p, f in found.items()}
            abouts = [about for about in here.values() if about]
            count = sum(about.items or 0 for about in abouts)
            items[name, *here] = Item(abouts[0].dataset if abouts else None, [key], found, count)
    return list(items.values())


def unusable(items: list[Item]) -> set[str]:
    """Return the configuration's keys whose data are missing or wrong."""
    return {key for item in items if item.status in (MISSING, WRONG) for key in item.keys}
