"""Which external data each part of a run needs, directly or not, by the configuration's keys.

The stages' needs stand here once: they say which targets can run, and what an override must leave out.
"""

from pipeline_lib.config.checks import evaluated_models
from pipeline_lib.config.inputs import external_files
from pipeline_lib.evaluate.kinds import BLIND
from pipeline_lib.finetune.terms import needs_distractors


class Needs:
    """What the parts of a run need from outside, as keys of `pipeline_lib.config.inputs.external_files`.

    Parameters
    ----------
    config : dict
        The checked configuration.
    experiments : list of dict
        The sheet's rows, as `pipeline_lib.config.checks.read_experiments` returns them.
    """

    def __init__(self, config: dict, experiments: list[dict]) -> None:
        self._config, self._external = config, external_files(config)
        self.backbones = config["backbones"]["models"]
        self.benchmark_entries = config["evaluate"]["benchmarks"]
        self.transformers = list(config["evaluate"]["transformers"])
        self._evaluated = evaluated_models(config, experiments)
        self.finetuned = {f"{row['experiment']}-s{seed}": row for row in experiments for seed in row["seeds"]}

    def _keys(self, *keys: str) -> set[str]:
        """The keys among `keys` at which the configuration names something external."""
        return {key for key in keys if key in self._external}

    def shards(self) -> set[str]:
        """What CC-Neg is made from: the authors' files, or captions and links."""
        if self._config["shards"]["released"]:
            return self._keys("shards/released/annotations", "shards/released/images")
        return self._keys("fetch/captions")

    def backbone(self, name: str) -> set[str]:
        """What a backbone's weights come from, and those of the CLIP that it is checked against."""
        entry = self.backbones[name]
        own = "backbones/pretrain/images" if entry["source"] == "pretrain" else f"backbones/models/{name}"
        return self._keys(own) | (self.backbone(entry["backbone"]) if "backbone" in entry else set())

    def pool(self, name: str) -> set[str]:
        """The images of a pool."""
        return self._keys(f"features/pools/{name}")

    def distractors(self) -> set[str]:
        """What is needed to choose, or read, the distractors of the training samples."""
        if self._config["distractors"]["released"]:
            return self.shards() | self._keys("distractors/released/mapping", "distractors/released/captions")
        return self.shards() | self.backbone(self._config["distractors"]["backbone"]) | self.pool("distractors")

    def experiment(self, row: dict) -> set[str]:
        """What a row of the sheet of experiments is trained on."""
        needs = self.backbone(row["backbone"])
        if row["negatives"] == "crepe":
            return needs | self._keys("finetune/crepe_captions") | self.pool("crepe")
        needs |= self.shards()
        return needs | self.distractors() | self.pool("distractors") if needs_distractors(row["loss"]) else needs

    def model(self, name: str) -> set[str]:
        """What a model comes from, be it fine-tuned here, a backbone or one of another kind."""
        if name in self.finetuned:
            return self.experiment(self.finetuned[name])
        if name in BLIND:
            return self.shards()
        return self.backbone(name) if name in self.backbones else self._keys(f"evaluate/transformers/{name}")

    def backbone_of(self, name: str) -> str:
        """The backbone that a model is or was fine-tuned from; for models of other kinds the model itself."""
        return self.finetuned[name]["backbone"] if name in self.finetuned else name

    def evaluated(self, benchmark: str) -> list[str]:
        """The models that a benchmark is run on."""
        models = [name for name, names in self._evaluated.items() if benchmark in names]
        return [*models, *BLIND, *self.transformers] if benchmark == "ccneg" else models

    def labelled_set(self, name: str) -> set[str]:
        """The images, class names and templates of an entry of ``evaluate/zeroshot/datasets``."""
        place = f"evaluate/zeroshot/datasets/{name}"
        return self.pool(name) | self._keys(f"{place}/classes", f"{place}/templates")

    def benchmark(self, name: str) -> set[str]:
        """The annotations and images of an entry of ``evaluate/benchmarks``."""
        return self._keys(f"evaluate/benchmarks/{name}") | self.pool(self.benchmark_entries[name]["pool"])

    def benchmarks(self) -> dict[str, set[str]]:
        """What each benchmark needs besides a model."""
        sets = [self.labelled_set(name) for name in self._config["evaluate"]["zeroshot"]["datasets"]]
        return {
            "ccneg": self.shards(),
            "zeroshot": set().union(*sets),
            **{name: self.benchmark(name) for name in self.benchmark_entries},
        }
