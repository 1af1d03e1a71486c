"""Which external data each part of a run needs, which targets can be made without some, and how to leave those out.

Data are named by the configuration's keys, as in `pipeline_lib.config.inputs.external_files`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import reduce

from pipeline_lib.config.checks import evaluated_models, finetuned_models, subtracted_models
from pipeline_lib.evaluate.kinds import BLIND
from pipeline_lib.finetune.terms import needs_distractors

REQUIRED_POOLS = ("distractors",)  # named even where no experiment uses it
NEVER_EMPTY = ("backbones/models", "evaluate/zeroshot/datasets")


class Requirements:
    """What the parts of a run need, directly or not: sets of keys, with those at which nothing external is named.

    `config` is the checked configuration, `experiments` are the rows of the sheet, as
    `pipeline_lib.config.checks.read_experiments` returns them.
    """

    def __init__(self, config: dict, experiments: list[dict]) -> None:
        self._config = config
        self.backbones = config["backbones"]["models"]
        self.benchmark_entries = config["evaluate"]["benchmarks"]
        self._evaluated = evaluated_models(config, experiments)
        self._subtracted = subtracted_models(config, experiments)
        self.finetuned = finetuned_models(experiments)

    def shards(self) -> set[str]:
        """What CC-Neg is made from: the authors' files, or captions and links."""
        released = self._config["shards"]["released"]
        return {"shards/released/annotations", "shards/released/images"} if released else {"fetch/captions"}

    def backbone(self, name: str) -> set[str]:
        """What a backbone's weights come from, and those of the CLIP that it is checked against."""
        entry = self.backbones[name]
        own = {"backbones/pretrain/images" if entry["source"] == "pretrain" else f"backbones/models/{name}"}
        return own | (self.backbone(entry["backbone"]) if "backbone" in entry else set())

    def pool(self, name: str) -> set[str]:
        """The images of a pool."""
        return {f"features/pools/{name}"}

    def distractors(self) -> set[str]:
        """What is needed to choose, or read, the distractors of the training samples."""
        if self._config["distractors"]["released"]:
            return self.shards() | {"distractors/released/mapping", "distractors/released/captions"}
        return self.shards() | self.backbone(self._config["distractors"]["backbone"]) | self.pool("distractors")

    def experiment(self, row: dict) -> set[str]:
        """What a row of the sheet of experiments is trained on."""
        needs = self.backbone(row["backbone"])
        if row["negatives"] == "crepe":
            return needs | {"finetune/crepe_captions"} | self.pool("crepe")
        needs |= self.shards()
        return needs | self.distractors() | self.pool("distractors") if needs_distractors(row["loss"]) else needs

    def model(self, name: str) -> set[str]:
        """What a model comes from, be it fine-tuned here, a backbone or one of another kind."""
        name = self._subtracted.get(name, name)
        if name in self.finetuned:
            return self.experiment(self.finetuned[name])
        return self.backbone(name) if name in self.backbones else {f"evaluate/transformers/{name}"}

    def backbone_of(self, name: str) -> str:
        """The backbone that a model is or was fine-tuned from; for models of other kinds the model itself."""
        name = self._subtracted.get(name, name)
        return self.finetuned[name]["backbone"] if name in self.finetuned else name

    def evaluated(self, benchmark: str) -> list[str]:
        """The models that a benchmark is run on."""
        return [name for name, names in self._evaluated.items() if benchmark in names]

    def scores(self, name: str, benchmark: str) -> set[str]:
        """What the scores of a model on a benchmark need; who sees no image needs no pool."""
        if name not in BLIND:
            return self.benchmarks()[benchmark] | self.model(name)
        return self.shards() if benchmark == "ccneg" else {f"evaluate/benchmarks/{benchmark}"}

    def labelled_set(self, name: str) -> set[str]:
        """The images, class names and templates of an entry of ``evaluate/zeroshot/datasets``."""
        place = f"evaluate/zeroshot/datasets/{name}"
        return self.pool(name) | {f"{place}/classes", f"{place}/templates"}

    def benchmark(self, name: str) -> set[str]:
        """The annotations and images of an entry of ``evaluate/benchmarks``."""
        return {f"evaluate/benchmarks/{name}"} | self.pool(self.benchmark_entries[name]["pool"])

    def benchmarks(self) -> dict[str, set[str]]:
        """What each benchmark needs besides a model."""
        sets = [self.labelled_set(name) for name in self._config["evaluate"]["zeroshot"]["datasets"]]
        others = {name: self.benchmark(name) for name in self.benchmark_entries}
        return {"ccneg": self.shards(), "zeroshot": set().union(*sets), **others}


@dataclass(frozen=True)
class Target:
    """One or several files of the same kind."""

    name: str  # in words
    outputs: list[str]  # the files that can be made
    count: int  # of all
    lacks: list[str]  # the keys whose data the other files wait for
    after: str = ""  # another target for which they wait besides


def targets(config: dict, needs: Requirements, unusable: Collection[str]) -> list[Target]:
    """Return what can be made without the data of the keys `unusable`, by stage; the table of all results is last."""
    run, unusable = f"results/{config['run']}", set(unusable)

    def target(name: str, files: dict[str, set[str]], own: set[str] | None = None, after: str = "") -> Target:
        """The target of files and what each needs; of what is lacking `own` is named, the rest is said by `after`."""
        outputs = [path for path, needed in files.items() if not needed & unusable]
        lacks = set().union(*files.values()) & unusable
        named = lacks if own is None else own & unusable
        return Target(name, outputs, len(files), sorted(named), after if lacks - named else "")

    ccneg, made = needs.shards(), []
    if not config["shards"]["released"]:
        made += [
            target("fetch", {f"{run}/fetch/summary.json": ccneg}),
            target("captions", {f"{run}/captions/quality.html": ccneg}),
        ]
    made += [
        target("CC-Neg", {f"{run}/shards/index.json": ccneg}),
        target("distractors", {f"{run}/distractors/train.parquet": needs.distractors()}),
        target("backbones", {f"{run}/backbones/{name}/model.pt": needs.backbone(name) for name in needs.backbones}),
        target("fine-tuned models", {f"{run}/finetune/{name}/model.pt": needs.model(name) for name in needs.finetuned}),
    ]
    everything: set[str] = set()
    for benchmark, own in needs.benchmarks().items():
        models = {name: needs.scores(name, benchmark) for name in needs.evaluated(benchmark)}
        everything |= own.union(*models.values())
        files = {f"{run}/evaluate/{name}/{benchmark}.json": needed for name, needed in models.items()}
        made.append(target(benchmark, files, own, "models"))
    return [*made, target("all tables", {"results/tables.parquet": everything}, set(), "the above")]


@dataclass(frozen=True)
class Override:
    """What a run leaves out so that it needs nothing that is missing."""

    config: dict  # to lay over the configuration; empty where nothing is left out
    experiments: list[dict]  # the rows of the sheet that stay
    left_out: list[str]  # `place: name, name` for each section that loses entries


def leave_out(config: dict, experiments: list[dict], unusable: Collection[str]) -> Override:
    """Return what to change so that a run needs nothing of the keys `unusable`.

    An entry that is null in an override is taken out of the configuration. ValueError names a missing part without
    which nothing can run.
    """
    unusable = set(unusable)
    override, left_out, gone = {}, [], {}

    def lay_over(place: str, value: object) -> None:
        *sections, key = place.split("/")
        reduce(lambda part, section: part.setdefault(section, {}), sections, override)[key] = value

    def report(place: str, names: list[str]) -> None:
        left_out.extend([f"{place}: {', '.join(names)}"] if names else [])

    needs = Requirements(config, experiments)
    if config["distractors"]["released"] and (needs.distractors() - needs.shards()) & unusable:
        lay_over("distractors/released", None)
        left_out.append("distractors/released: they are chosen here")
        needs = Requirements({**config, "distractors": {**config["distractors"], "released": None}}, experiments)
    if lacking := needs.shards() & unusable:
        raise ValueError(f"everything needs {', '.join(sorted(lacking))}")
    if lacking := needs.backbone(config["distractors"]["backbone"]) & unusable:
        raise ValueError(f"{', '.join(sorted(lacking))} is the backbone that chooses distractors")
    needed = {
        "backbones/models": needs.backbone,
        "features/pools": lambda name: set() if name in REQUIRED_POOLS else needs.pool(name),
        "evaluate/zeroshot/datasets": needs.labelled_set,
        "evaluate/benchmarks": needs.benchmark,
        "evaluate/transformers": needs.model,
    }
    for place, needs_of in needed.items():
        names = list(reduce(dict.__getitem__, place.split("/"), config))
        gone[place] = [name for name in names if needs_of(name) & unusable]
        if gone[place] == names and place in NEVER_EMPTY:
            raise ValueError(f"nothing would be left of {place}")
        for name in gone[place]:
            lay_over(f"{place}/{name}", None)
        report(place, gone[place])
    trained = [row for row in experiments if not needs.experiment(row) & unusable]
    if not trained:
        raise ValueError("no experiment of the sheet can be trained")
    report("finetune/experiments", [row["experiment"] for row in experiments if row not in trained])
    backbones = {name: entry for name, entry in needs.backbones.items() if name not in gone["backbones/models"]}
    there = (*backbones, *(row["experiment"] for row in trained))
    subtracted = config["evaluate"]["subtract"]["models"]
    if unknown := [name for name in subtracted if name not in there]:
        lay_over("evaluate/subtract/models", [name for name in subtracted if name in there])
        report("evaluate/subtract/models", unknown)

    def still_there(benchmarks: list[str] | None) -> list[str] | None:
        return benchmarks and [name for name in benchmarks if name not in gone["evaluate/benchmarks"]]

    for name, entry in backbones.items():
        if (named := entry.get("benchmarks")) != still_there(named):
            lay_over(f"backbones/models/{name}/benchmarks", still_there(named))
    return Override(override, [row | {"benchmarks": still_there(row["benchmarks"])} for row in trained], left_out)
