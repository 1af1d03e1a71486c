# Functions of the rules in backbones.smk.
def from_source(source):
    """The names of the backbones with a source, as a wildcard's pattern; one that matches nothing where there is none."""
    return "|".join(name for name, model in BACKBONES.items() if model["source"] == source) or "(?!)"


def of_entry(*keys):
    """A function that gives the options of a backbone's entry that it has, as flags."""

    def options(wildcards):
        entry = BACKBONES[wildcards.backbone]
        return flags({key: entry[key] for key in keys if key in entry})

    return options


def beside(wildcards):
    """The weights of the CLIP beside which tables list a model; none for a CLIP."""
    clip = BACKBONES[wildcards.backbone].get("backbone")
    return f"{RUN}/backbones/{clip}/model.pt" if clip else []


def beside_flag(wildcards):
    """The flag that names these weights."""
    return flags({"backbone_weights": weights}) if (weights := beside(wildcards)) else ""
