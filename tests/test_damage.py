"""A file of a run that is damaged: whoever reads it names it, and says what makes it again."""

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from conftest import call, main_of
from faults.small import commands

from pipeline_lib.formats.tars import list_members, read_samples, write_samples
from pipeline_lib.jobs.remedy import of_a_run, remedy

RUN = "results/small"
MODEL = f"{RUN}/finetune/conclip-rn-s0"
ITEMS = f"{RUN}/evaluate/conclip-rn-s0"
# The file, and the job that reads it: its rule and the values of its wildcards.
READ_BY = {
    f"{RUN}/miniature/pretrain.tar": "backbones_pretrain mini-rn",
    f"{RUN}/miniature/pool.tar": "features mini-rn,distractors,00000",
    f"{RUN}/miniature/crepe.tar": "features mini-rn,crepe,00000",
    f"{RUN}/miniature/sugarcrepe/swap_obj.json": "evaluate_benchmark mini-rn,sugarcrepe",
    f"{RUN}/fetch/00000.tar": "shards_build 00000",
    f"{RUN}/fetch/00001.parquet": "fetch_summary",
    f"{RUN}/fetch/summary.json": "paper_figures",
    f"{RUN}/captions/00000.parquet": "shards_build 00000",
    f"{RUN}/captions/00001.parquet": "captions_quality",
    f"{RUN}/shards/train-00000.tar": "features mini-rn,ccneg-train,00000",
    f"{RUN}/shards/eval-00001.tar": "features mini-rn,ccneg-eval,00001",
    f"{RUN}/shards/triplets-00001.parquet": "shards_index",
    f"{RUN}/shards/counts-00000.json": "shards_index",
    f"{RUN}/shards/train.parquet": "finetune conclip-rn-s0",
    f"{RUN}/shards/eval.parquet": "evaluate_ccneg mini-rn",
    f"{RUN}/shards/crepe.parquet": "finetune crepe-rn-s0",
    f"{RUN}/backbones/mini-rn/model.pt": "distractors_choose",
    f"{RUN}/backbones/mini-rn/run.json": "evaluate_zeroshot mini-rn",
    f"{RUN}/features/mini-rn/ccneg-train/00001.safetensors": "finetune conclip-rn-s0",
    f"{RUN}/features/mini-rn/distractors/00000.safetensors": "distractors_choose",
    f"{RUN}/features/mini-rn/kinds/00000.safetensors": "evaluate_zeroshot mini-rn",
    f"{RUN}/distractors/train.parquet": "finetune conclip-rn-s0",
    f"{MODEL}/model.pt": "evaluate_ccneg conclip-rn-s0",
    f"{MODEL}/run.json": "evaluate_benchmark conclip-rn-s0,sugarcrepe",
    f"{MODEL}/history.jsonl": "paper_figures",
    f"{ITEMS}/ccneg.json": "paper_tables",
    f"{ITEMS}/embeddings.json": "paper_tables",
    f"{ITEMS}/zeroshot.parquet": "paper_tables",
    f"{ITEMS}/sugarcrepe.parquet": "paper_tables",
    f"{RUN}/tables.parquet": "paper_figures",
}
CHECKED = (".tar", ".parquet", ".safetensors", ".pt")  # by a checksum; JSON has none
UNCHECKED = f"{RUN}/miniature/crepe.tar"  # is read like the photos of others, which have none


@pytest.fixture(scope="module")
def copy(small_run, tmp_path_factory):
    """A copy of the finished run in which one file at a time is damaged."""
    return shutil.copytree(small_run, tmp_path_factory.mktemp("damage") / "run")


@pytest.fixture(scope="module")
def jobs(small_run):
    """The module and the arguments of every job of the small run, by rule and wildcards."""
    return commands(small_run)


@pytest.fixture
def read_by_job(copy, jobs, monkeypatch):
    """A function that puts other content into a file, runs a job, and returns the message that the job ends with."""

    def read(job, path, content):
        monkeypatch.chdir(copy)
        module, *arguments = jobs[job]
        whole = path.read_bytes()
        path.write_bytes(content)
        try:
            return call(main_of(module), *arguments)
        finally:
            path.write_bytes(whole)

    return read


def truncated(path: Path) -> bytes:
    """All but the last third."""
    content = path.read_bytes()
    return content[: 2 * len(content) // 3]


def flipped(path: Path) -> bytes:
    """One bit in the middle of an image, a column that is read, or the file is another."""
    content = path.read_bytes()
    place = len(content) // 2
    if path.suffix == ".parquet":
        column = pq.ParquetFile(path).metadata.row_group(0).column(0)
        place = (column.dictionary_page_offset or column.data_page_offset) + column.total_compressed_size // 2
    elif path.suffix == ".tar":
        image = next(member for member in list_members(path) if member.name.endswith(".jpg"))
        place = image.offset + image.size // 2
    return content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]


DAMAGED = [(name, truncated) for name in READ_BY]
DAMAGED += [(name, flipped) for name in READ_BY if name.endswith(CHECKED) and name != UNCHECKED]


@pytest.mark.faults
@pytest.mark.parametrize(("name", "damage"), DAMAGED)
def test_a_damaged_file_is_named_with_what_makes_it_again(name, damage, copy, read_by_job):
    said = read_by_job(READ_BY[name], copy / name, damage(copy / name))
    assert isinstance(said, str) and said.startswith("error: ") and name in said, said
    assert f"delete it and make it again: snakemake --cores 8 {name}" in said, said


@pytest.mark.faults
def test_the_index_holds_the_samples_of_the_shards_against_the_triplets(copy, tmp_path, read_by_job):
    path = copy / RUN / "shards" / "train-00000.tar"
    write_samples(tmp_path / "fewer.tar", list(read_samples(path))[:-1])
    said = read_by_job("shards_index", path, (tmp_path / "fewer.tar").read_bytes())
    assert (
        "samples of the triplets" in said and f"delete it and make it again: snakemake --cores 8 {RUN}/shards/" in said
    )


def test_what_is_advised_depends_on_where_a_file_lies():
    again = "delete it and make it again: snakemake --cores 8"
    assert f"{again} results/paper/shards/x.tar," in remedy(Path("/scratch/me/results/paper/shards/x.tar"))
    assert f"{again} results/tables.parquet," in remedy("results/tables.parquet")
    assert not of_a_run("data/coco/val2017.zip") and remedy("a.tar") == "delete it and make it, or get it, again"
