"""Report before a run: which data are here and right, room, time, and which targets can run now.

::

    make preflight CONFIG=config/paper.yaml
    snakemake --configfile config/paper.yaml --cores 1 --quiet all -- preflight

(seconds; no torch). It is a report: it ends with success whatever it finds. Where data are missing or wrong it also
writes ``override.yaml``, which leaves them out, and ``experiments.tsv``, the experiments that can be trained without
them, into ``--folder``. Printed as plain text in 100 columns, coloured on a terminal.
"""

import argparse
import shlex
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from itertools import groupby
from pathlib import Path

import pandas as pd
import yaml
from rich import box
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from pipeline_lib.config.checks import read_experiments
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.cores import usable_cores
from pipeline_lib.jobs.files import write_text
from pipeline_lib.preflight.estimate import Cost, Estimate
from pipeline_lib.preflight.findings import FETCHED, MISSING, PRESENT, WRONG, DataItem, inspect_inputs, unusable_keys
from pipeline_lib.preflight.registry import read_registry
from pipeline_lib.preflight.requirements import Override, Requirements, Target, leave_out, targets

WIDTH = 100
MANY = 3  # missing files of a data set that are named one by one
COLOURS = {PRESENT: "green", MISSING: "yellow", WRONG: "bold red", FETCHED: "cyan"}


def main() -> None:
    """Report on the configuration that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--config", type=Path, required=True, help="the merged configuration, as JSON or YAML")
    parser.add_argument(
        "--configfiles", nargs="*", default=[], help="files laid over the default configuration, to show in commands"
    )
    parser.add_argument(
        "--options", default="", help="other options of Snakemake to show in commands, such as --snakefile"
    )
    parser.add_argument("--datasets", type=Path, required=True, help="list of the external data, YAML")
    parser.add_argument(
        "--folder", type=Path, required=True, help="folder for a config file that leaves out what is missing"
    )
    parser.add_argument("--hash", action="store_true", help="check hashes of large files too, which takes minutes")
    args = parser.parse_args()
    config = yaml.safe_load(args.config.read_text(encoding="utf-8"))
    experiments = read_experiments(config)
    items = inspect_inputs(config, read_registry(args.datasets), args.hash)
    needs, lacking = Requirements(config, experiments), unusable_keys(items)
    cores = usable_cores()

    def command(*configfiles: str | Path) -> str:
        over = ["--configfile", *map(str, configfiles)] if configfiles else []
        return " ".join(filter(None, ["snakemake", args.options, shlex.join([*over, "--cores", str(cores)])]))

    screen = Console(highlight=False, markup=False, width=WIDTH, force_terminal=sys.stdout.isatty())
    screen.print(f"Run {config['run']}: {len(items)} data sets from outside\n")
    _print_data(screen, items)
    if config["miniature"] is None:
        _print_costs(screen, Estimate(config, needs, *_counts(config, items)).by_stage(), items, cores)
    else:
        screen.print("Disk and time: the miniature takes about 1 GB and 9 to 12 minutes on two cores (README.md).\n")
    _print_gpus(screen, config)
    _print_targets(screen, targets(config, needs, lacking), items, command(*args.configfiles))
    if lacking:
        try:
            override = leave_out(config, experiments, lacking)
        except ValueError as error:
            screen.print(f"No tables can be made yet: {error}.", soft_wrap=True)
            return
        file = write_override(override, experiments, args.folder)
        again = command(*args.configfiles, file)
        screen.print(f"All tables without what is missing:\n\n{again} results/tables.parquet\n", soft_wrap=True)
        screen.print("\n  ".join([f"{file} leaves out:", *override.left_out]), soft_wrap=True)


def _counts(config: dict, items: list[DataItem]) -> tuple[int, dict[str, int]]:
    """Links of the captions file and images of each pool, by the configuration or the registry; 0 where unknown."""
    counts = {key: item.items for item in items for key in item.keys}
    pools = config["features"]["pools"]
    images = {name: pool.get("count") or counts.get(f"features/pools/{name}", 0) for name, pool in pools.items()}
    return config["fetch"]["rows"] or counts.get("fetch/captions", 0), images


def write_override(override: Override, experiments: list[dict], folder: Path) -> Path:
    """Write ``override.yaml``, whose path is returned, and ``experiments.tsv`` where rows of the sheet change."""
    changes, sheet, file = override.config, folder / "experiments.tsv", folder / "override.yaml"
    if override.experiments != experiments:
        rows = [
            {**row, "seeds": ",".join(map(str, row["seeds"])), "benchmarks": ",".join(row["benchmarks"] or ["all"])}
            for row in override.experiments
        ]
        write_text(sheet, pd.DataFrame(rows, dtype=object).to_csv(sep="\t", index=False, lineterminator="\n"))
        changes = {**changes, "finetune": {"experiments": str(sheet)}}
    write_text(file, "# Made by preflight: leaves out what is missing.\n" + yaml.safe_dump(changes, sort_keys=False))
    return file


def duration(hours: float) -> str:
    """Return hours in words, such as ``12 min`` or ``3 days``."""
    if hours < 1:
        return f"{max(1, round(hours * 60))} min"
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"


def _table(title: str, *headings: str, numbers: Collection[str] = ()) -> Table:
    """A table without frame whose last column is as wide as it needs to be."""
    made = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        side = "right" if heading in numbers else "left"
        made.add_column(heading, justify=side, no_wrap=heading != headings[-1], overflow="fold")
    return made


def _print_data(screen: Console, items: list[DataItem]) -> None:
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
            known = [decimal(dataset.size)] if dataset.size else []
            about.append(f"\n{', '.join([*known, f'licence: {dataset.licence}'])}\n{dataset.source}")
            for text in (dataset.terms, f"without it: {dataset.without}"):
                about.append(f"\n{text}" if text else "", style="dim")
        made.add_row(Text(status, style=COLOURS[status]), about)
    screen.print(made)


def _paths(item: DataItem) -> Iterator[tuple[str, str]]:
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


def _print_costs(screen: Console, estimate: list[Cost], items: list[DataItem], cores: int) -> None:
    made = _table("Disk and time, roughly", "stage", "disk", "time", "for", numbers=("disk", "time"))
    for cost in estimate:
        made.add_row(cost.stage, decimal(cost.bytes), "" if cost.hours is None else duration(cost.hours), cost.basis)
    room, free = sum(cost.bytes for cost in estimate), free_bytes("results")
    made.add_section()
    made.add_row("all", decimal(room), duration(sum(cost.hours or 0 for cost in estimate)), "")
    screen.print(made)
    if room > free:
        screen.print(f"Free under results/: {decimal(free)}, less than the run needs.", style="bold red")
    else:
        screen.print(f"Free under results/: {decimal(free)}.")
    missing = {item.dataset.name: item.dataset for item in items if item.status != PRESENT and item.dataset}
    known = [dataset.size for dataset in missing.values() if dataset.size]
    unknown = f", and {len(missing) - len(known)} of unknown size" if len(known) < len(missing) else ""
    if missing:
        screen.print(f"Downloads that are missing: {decimal(sum(known))}{unknown}.")
    screen.print(
        "Times are of two cores without a GPU, computed from docs/speed.md, docs/captions.md and\n"
        f"docs/fetching.md; this machine has {cores} cores. A GPU was not measured; it should be much faster.\n"
    )


def free_bytes(folder: str | Path) -> int:
    """Return the room on the disk that holds `folder`, or would hold it."""
    folder = Path(folder).absolute()
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free


def _print_gpus(screen: Console, config: dict) -> None:
    found = gpus()
    screen.print(f"GPU: {'; '.join(found) or 'none found'}.")
    precisions = (("features", "precision"), ("features", "training_precision"), ("finetune", "precision"))
    fp16 = [f"{section}.{key}" for section, key in precisions if config[section][key] == "fp16"]
    if fp16 and not found:
        screen.print(f"{' and '.join(fp16)}: fp16 needs a GPU; set fp32 or bf16 to run without one.", style="yellow")
    screen.print()


def gpus() -> list[str]:
    """Return name and memory of each NVIDIA GPU, as the driver's tool says them; none where there is no such tool."""
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def _print_targets(screen: Console, made: list[Target], items: list[DataItem], command: str) -> None:
    names: dict[str, list[str]] = {}
    for item in items:
        for key in item.keys:
            names.setdefault(key, []).append(item.dataset.name if item.dataset else next(iter(item.found)))
    table = _table("Targets", "state", "target", "waits for")
    for target in made:
        able = len(target.outputs)
        word, colour = ("can run", "green") if able == target.count else (f"{able} of {target.count}", "cyan")
        word, colour = (word, colour) if able else ("waits", "yellow")
        waits = [*dict.fromkeys(name for key in target.lacks for name in names[key])]
        table.add_row(Text(word, style=colour), target.name, ", ".join([*waits, *filter(None, [target.after])]))
    screen.print(table)
    able = [target for target in made if target.outputs]
    if len(able) == len(made) and all(len(target.outputs) == target.count for target in made):
        screen.print(f"Everything can run: {command} results/tables.parquet", soft_wrap=True)
    elif able:
        files = " \\\n".join(f"  {braces(target.outputs)}" for target in able)
        screen.print(f"What can run now:\n\n{command} \\\n{files}\n", soft_wrap=True)


def braces(paths: list[str]) -> str:
    """Return paths that differ in one part as a shell writes them: ``a/{b,c}/d``."""
    parts = [path.split("/") for path in paths]
    different = [position for position, values in enumerate(zip(*parts, strict=False)) if len(set(values)) > 1]
    if len(different) != 1 or len({len(part) for part in parts}) > 1:
        return " ".join(paths)
    (position,) = different
    start = list(parts[0])
    start[position] = "{" + ",".join(part[position] for part in parts) + "}"
    return "/".join(start)


if __name__ == "__main__":
    run(main)
