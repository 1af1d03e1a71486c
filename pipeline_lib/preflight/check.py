"""Report before a run: which data are here and right, room, time, and which targets can run now.

::

    make preflight CONFIG=config/paper.yaml
    snakemake --configfile config/paper.yaml --cores 1 --quiet all -- preflight

(seconds; no torch). It is a report: it ends with success whatever it finds. Where data are missing or wrong it also
writes ``override.yaml``, which leaves them out, and ``experiments.tsv``, the experiments that can be trained without
them, into ``--folder``.
"""

import argparse
from pathlib import Path

import yaml

from pipeline_lib.config.checks import read_experiments
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import write_text
from pipeline_lib.preflight.estimate import costs
from pipeline_lib.preflight.look import Item, look, unusable
from pipeline_lib.preflight.machine import cores, free_bytes, gpus
from pipeline_lib.preflight.needs import Needs
from pipeline_lib.preflight.override import Override, leave_out
from pipeline_lib.preflight.registry import read_registry
from pipeline_lib.preflight.show import console, show_costs, show_data, show_gpus, show_override, show_targets
from pipeline_lib.preflight.targets import targets


def _counts(config: dict, items: list[Item]) -> tuple[int, dict[str, int]]:
    """Links of the captions file and images of each pool, by the configuration or the registry; 0 where unknown."""
    counts = {key: item.items for item in items for key in item.keys}
    pools = config["features"]["pools"]
    images = {name: pool.get("count") or counts.get(f"features/pools/{name}", 0) for name, pool in pools.items()}
    return config["fetch"]["rows"] or counts.get("fetch/captions", 0), images


def _sheet(experiments: list[dict]) -> str:
    rows = [
        {**row, "seeds": ",".join(map(str, row["seeds"])), "benchmarks": ",".join(row["benchmarks"] or ["all"])}
        for row in experiments
    ]
    return "".join("\t".join(cells) + "\n" for cells in (rows[0], *(row.values() for row in rows)))


def _write(override: Override, experiments: list[dict], folder: Path) -> Path:
    """Write the override, and the sheet where rows are gone or changed."""
    changes, sheet, file = override.config, folder / "experiments.tsv", folder / "override.yaml"
    if override.experiments != experiments:
        write_text(sheet, _sheet(override.experiments))
        changes = {**changes, "finetune": {"experiments": str(sheet)}}
    write_text(file, "# Made by preflight: leaves out what is missing.\n" + yaml.safe_dump(changes, sort_keys=False))
    return file


def main() -> None:
    """Report on the configuration that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--config", type=Path, required=True, help="the merged configuration, as JSON or YAML")
    parser.add_argument("--configfiles", nargs="*", default=[], help="what was laid over the default, for the commands")
    parser.add_argument("--datasets", type=Path, required=True, help="the registry of external data")
    parser.add_argument("--folder", type=Path, required=True, help="where an override goes, if data are missing")
    parser.add_argument("--hash", action="store_true", help="hash files of any size (minutes)")
    args = parser.parse_args()
    config = yaml.safe_load(args.config.read_text(encoding="utf-8"))
    experiments = read_experiments(config)
    items = look(config, read_registry(args.datasets), args.hash)
    needs, lacking = Needs(config, experiments), unusable(items)

    def command(*configfiles: str | Path) -> str:
        over = f" --configfile {' '.join(map(str, configfiles))}" if configfiles else ""
        return f"snakemake{over} --cores {cores()}"

    screen = console()
    screen.print(f"Run {config['run']}: {len(items)} data sets from outside\n")
    show_data(screen, items)
    if config["miniature"] is None:
        estimate = costs(config, needs, *_counts(config, items))
        show_costs(screen, estimate, items, free_bytes("results"), cores())
    else:
        screen.print("Room and time: the miniature takes about 1 GB and 7 to 10 minutes on two cores (README.md).\n")
    precisions = (("features", "precision"), ("features", "training_precision"), ("finetune", "precision"))
    fp16 = [f"{section}.{key}" for section, key in precisions if config[section][key] == "fp16"]
    show_gpus(screen, gpus(), fp16)
    show_targets(screen, targets(config, needs, lacking), items, command(*args.configfiles))
    if lacking:
        try:
            override = leave_out(config, experiments, lacking)
        except ValueError as error:
            screen.print(f"No tables without it: {error}.", soft_wrap=True)
        else:
            file = _write(override, experiments, args.folder)
            show_override(screen, override, file, command(*args.configfiles, file))


if __name__ == "__main__":
    run(main)
