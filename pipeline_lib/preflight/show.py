"""Lay the report out: plain text in 100 columns, coloured on a terminal."""

from collections.abc import Collection, Iterator
from itertools import groupby
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline_lib.preflight.estimate import Cost
from pipeline_lib.preflight.findings import FETCHED, MISSING, PRESENT, WRONG
from pipeline_lib.preflight.look import Item
from pipeline_lib.preflight.override import Override
from pipeline_lib.preflight.targets import Target, braces

WIDTH = 100
MANY = 3  # missing files of a data set that are named one by one
COLOURS = {PRESENT: "green", MISSING: "yellow", WRONG: "bold red", FETCHED: "cyan"}


def console() -> Console:
    """Return where to print: in colour on a terminal, and in `WIDTH` columns everywhere."""
    return Console(highlight=False, markup=False, width=WIDTH)


def size(count: float) -> str:
    """Return a number of bytes in words, such as ``19.3 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def duration(hours: float) -> str:
    """Return hours in words, such as ``12 min`` or ``3 days``."""
    if hours < 1:
        return f"{max(1, round(hours * 60))} min"
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"


def _table(title: str, *headings: str, numbers: Collection[str] = ()) -> Table:
    """A table without frame whose last column is as wide as it needs to be."""
    made = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        made.add_column(
            heading,
            justify="right" if heading in numbers else "left",
            no_wrap=heading != headings[-1],
            overflow="fold",
        )
    return made


def show_data(screen: Console, items: list[Item]) -> None:
    """Print what is here, what is missing and what is wrong, with where it comes from and what happens without it."""
    if not items:
        screen.print("Data: nothing is taken from outside.\n")
        return
    made = _table("Data", "state", "what it is and what is at its paths")
    for (status, dataset), same in groupby(items, key=lambda item: (item.status, item.dataset)):
        same = list(same)
        about = Text()
        if dataset:
            about.append(dataset.name, style="bold").append(f": {dataset.used_for}")
        else:
            keys = ", ".join(key for item in same for key in item.keys)
            about.append(f"not in config/datasets.tsv; named at {keys}")
        for item in same:
            for line, style in _paths(item):
                about.append(f"\n{line}", style=style)
        if dataset and status != PRESENT:
            known = [size(dataset.size)] if dataset.size else []
            about.append(f"\n{', '.join([*known, f'licence: {dataset.licence}'])}\n{dataset.source}")
            for text in (dataset.terms, f"without it: {dataset.without}"):
                about.append(f"\n{text}" if text else "", style="dim")
        made.add_row(Text(status, style=COLOURS[status]), about)
    screen.print(made)


def _paths(item: Item) -> Iterator[tuple[str, str]]:
    """Lines about what lies at an item's paths, and their styles; of many missing files the first."""
    if item.status == MISSING and len(item.found) > MANY:
        first, *more = item.found
        yield first, ""
        yield f"and {len(more)} more", ""
        return
    for path, (status, detail) in item.found.items():
        if status == WRONG:
            yield detail, "bold"
        elif status == MISSING and item.status == WRONG:
            yield f"{path}: is not there", "bold"
        else:
            yield f"{path}{f'  {detail}' if detail else ''}", ""


def show_costs(screen: Console, costs: list[Cost], items: list[Item], free: int, cores: int) -> None:
    """Print room and time by stage beside what the machine has."""
    made = _table("Room and time, roughly", "stage", "room", "time", "for", numbers=("room", "time"))
    for cost in costs:
        made.add_row(cost.stage, size(cost.bytes), "" if cost.hours is None else duration(cost.hours), cost.basis)
    room = sum(cost.bytes for cost in costs)
    made.add_section()
    made.add_row("all", size(room), duration(sum(cost.hours or 0 for cost in costs)), "")
    screen.print(made)
    if room > free:
        screen.print(f"Free under results/: {size(free)}, less than the run takes.", style="bold red")
    else:
        screen.print(f"Free under results/: {size(free)}.")
    missing = {item.dataset.name: item.dataset for item in items if item.status != PRESENT and item.dataset}
    known = [dataset.size for dataset in missing.values() if dataset.size]
    unknown = f", and {len(missing) - len(known)} of unknown size" if len(known) < len(missing) else ""
    if missing:
        screen.print(f"Downloads that are missing: {size(sum(known))}{unknown}.")
    screen.print(
        "Times are of two cores without a GPU, computed from docs/speed.md, docs/captions.md and\n"
        f"docs/fetching.md; this machine has {cores} cores. A GPU was not measured: expect a small part of it.\n"
    )


def show_gpus(screen: Console, gpus: list[str], fp16: list[str]) -> None:
    """Print the GPUs, and the keys that need one."""
    screen.print(f"GPU: {'; '.join(gpus) or 'none found'}.")
    if fp16 and not gpus:
        screen.print(f"{' and '.join(fp16)}: fp16 needs a GPU; set fp32 or bf16 to run without one.", style="yellow")
    screen.print()


def show_targets(screen: Console, targets: list[Target], items: list[Item], command: str) -> None:
    """Print what can be made now and what the rest waits for, and the command for the former."""
    names: dict[str, list[str]] = {}
    for item in items:
        for key in item.keys:
            names.setdefault(key, []).append(item.dataset.name if item.dataset else next(iter(item.found)))
    made = _table("Targets", "state", "target", "waits for")
    for target in targets:
        able = len(target.outputs)
        word, colour = ("can run", "green") if able == target.count else (f"{able} of {target.count}", "cyan")
        word, colour = (word, colour) if able else ("waits", "yellow")
        waits = [*dict.fromkeys(name for key in target.lacks for name in names[key])]
        made.add_row(Text(word, style=colour), target.name, ", ".join([*waits, *filter(None, [target.after])]))
    screen.print(made)
    able = [target for target in targets if target.outputs]
    if len(able) == len(targets) and all(len(target.outputs) == target.count for target in targets):
        screen.print(f"Everything can run: {command} results/tables.parquet", soft_wrap=True)
    elif able:
        files = " \\\n".join(f"  {braces(target.outputs)}" for target in able)
        screen.print(f"What can run now:\n\n{command} \\\n{files}\n", soft_wrap=True)


def show_override(screen: Console, override: Override, file: Path, command: str) -> None:
    """Print what the override leaves out and how to use it."""
    screen.print(f"All tables without what is missing:\n\n{command} results/tables.parquet\n", soft_wrap=True)
    screen.print(f"{file} leaves out:\n" + "\n".join(f"  {line}" for line in override.left_out), soft_wrap=True)
