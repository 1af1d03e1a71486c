"""What several test files share: tiny models and image pools, made here."""

import importlib
import importlib.util
import os
import shutil
import sys
from pathlib import Path

# Tests run `python`, `snakemake` and `torchrun` of this environment, and two processes at a time.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A user's profile may send jobs to a cluster.
os.environ.pop("SNAKEMAKE_PROFILE", None)

import pytest
from PIL import Image

from pipeline_lib.formats.pixels import encoded
from pipeline_lib.formats.tars import encode_json, write_samples

ROOT = Path(__file__).parent.parent
REAL_DATA = ROOT.parent / "shared" / "data"


def pytest_addoption(parser):
    """Options of `make faults` and `make fuzz`."""
    parser.addoption("--kills", type=int, default=4, help="how often a run is killed; from 19 on in every stage")
    parser.addoption("--files", type=int, default=15, help="how many damaged files of each kind are read")
    parser.addoption("--seed", type=int, default=0, help="draws the moments of kills and the damages")


def pytest_configure(config):
    """Hide GPUs from tests that are about what a CPU computes: all but `make gpu-check`'s."""
    if config.option.markexpr != "gpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


TINY = {
    **{"embed_dim": 32, "image_resolution": 32, "vision_layers": 1, "vision_width": 64, "vision_patch_size": 16},
    **{"transformer_width": 64, "transformer_layers": 2},
}
TINY_RESNET = {**TINY, "vision_layers": [1, 1, 1, 1], "vision_width": 8, "vision_patch_size": None}


@pytest.fixture
def anyio_backend():
    """What runs the tests that are coroutines."""
    return "asyncio"


@pytest.fixture(scope="session")
def tiny_clip():
    """A CLIP with random weights, in evaluation mode."""
    import torch

    from pipeline_lib.backbones.pretrain import build

    torch.manual_seed(0)
    return build(TINY).eval()


@pytest.fixture(scope="session")
def tiny_resnet():
    """A CLIP with random weights whose image tower is a ResNet, in evaluation mode."""
    import torch

    from pipeline_lib.backbones.pretrain import build

    torch.manual_seed(0)
    return build(TINY_RESNET).eval()


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_clip, tmp_path_factory):
    """The checkpoint file of `tiny_clip`."""
    from pipeline_lib.clip.load import save_checkpoint

    path = tmp_path_factory.mktemp("tiny") / "model.pt"
    save_checkpoint(path, tiny_clip)
    return path


def flags_of(**values):
    """The words of a command line: ``batch_size=3`` is ``--batch-size 3``; a list gives its flag several values."""
    words = []
    for name, value in values.items():
        words += [f"--{name.replace('_', '-')}", *map(str, value if isinstance(value, list) else [value])]
    return words


def call(main, *arguments, **flags):
    """Run a command's `main` in this process; return the message of the mistake that it ends with, or None."""
    from pipeline_lib.jobs.cli import run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", [main.__module__, *map(str, arguments), *flags_of(**flags)])
        try:
            run(main)
        except SystemExit as end:
            return end.code


def main_of(module):
    """The `main` of a module, or of a package that is run as one, by its name."""
    spec = importlib.util.find_spec(module)
    return importlib.import_module(f"{module}.__main__" if spec.submodule_search_locations else module).main


def jpeg_bytes(colour=(200, 30, 30), size=(40, 36)) -> bytes:
    """A plain JPEG."""
    return encoded(Image.new("RGB", size, colour), "JPEG")


def write_pool(path, count, first=0, **said) -> list[str]:
    """Write a tar of `count` images of different colours; return the keys."""
    samples = {}
    for number in range(first, first + count):
        image, key = jpeg_bytes((number * 37 % 256, number * 91 % 256, 90)), f"{number:09d}"
        samples[key] = {"jpg": image, "json": encode_json({"key": key, **said})}
    write_samples(path, samples.items())
    return list(samples)


@pytest.fixture
def real_data():
    """The folder of real annotation files, where there is one beside the repository."""
    if not REAL_DATA.is_dir():
        pytest.skip("real annotation files are not here (../shared/data)")
    return REAL_DATA


@pytest.fixture
def training_files(tmp_path, tiny_clip):
    """A folder with a small training set."""
    from training import write_training_files

    write_training_files(tmp_path, tiny_clip)
    return tmp_path


@pytest.fixture(scope="session")
def made_up_run(tmp_path_factory):
    """The folder of made-up scores of all models, in ``evaluate/``, with their tables: to be read, not changed."""
    from papers import make_tables, write_metrics

    folder = tmp_path_factory.mktemp("made-up")
    assert make_tables(folder, write_metrics(folder)) is None
    return folder


@pytest.fixture(scope="session")
def tables(made_up_run):
    """The tidy table of `made_up_run`."""
    from pipeline_lib.paper.tables.schema import read_tables

    return read_tables(made_up_run / "tables.parquet")[0]


def copy_repository(folder: Path) -> Path:
    """Copy the repository as a newcomer has it: no data, no results."""
    for name in ("config", "pipeline_lib", "workflow"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "environment.yml"):
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture
def empty_copy(tmp_path):
    """The repository as a newcomer has it."""
    return copy_repository(tmp_path)


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    """The folder of a finished run of the small world, made once: a copy of it may be changed, it may not."""
    from faults.small import finish, unpack

    folder = unpack(tmp_path_factory.mktemp("small") / "run")
    status, said = finish(folder)
    assert status == 0, said[-8000:]
    return folder
