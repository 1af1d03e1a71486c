"""The configuration's types, and its entries that users add: models, pools, labelled sets, benchmarks.

Their options are described here, since ``config/config.yaml`` does not show all of them. A validator's message starts
with the wrong key, or with "expected" where the whole value is wrong.
"""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model, model_validator

from pipeline_lib.config.errors import nearest
from pipeline_lib.evaluate.kinds import BLIND, KINDS
from pipeline_lib.evaluate.prompts import OWN, PROMPTS
from pipeline_lib.jobs.options import Count, number, text
from pipeline_lib.jobs.quoted import quoted
from pipeline_lib.readers.catalogue import READER_PLACES
from pipeline_lib.readers.reader import find_reader


class Section(BaseModel):
    """A part of the configuration without further keys. YAML's types are taken as they are."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


def section(**fields: type) -> type[Section]:
    """Return a section with options of these types."""
    return create_model("Section", __base__=Section, **fields)


def name_except(*reserved: str) -> type:
    """Return the names that are not reserved."""

    def check(name: str) -> str:
        if name in reserved:
            raise ValueError(f"expected a name other than {', '.join(reserved)}")
        return name

    return Annotated[Name, AfterValidator(check)]


def without_repetition(values: list[str]) -> list[str]:
    """Return a list as it is; refuse one that has a value twice."""
    if len(set(values)) < len(values):
        raise ValueError("expected a list without repetition")
    return values


def _optional(description: str, default: object = None) -> Field:
    """An option that may be left out, but is not null unless its type says so."""
    return Field(default=default, description=description)


Name = text("^[a-z0-9]+(-[a-z0-9]+)*$", "a name of lower-case letters, digits and -")
Line = text(r"^[^\x00-\x1f\x7f]+$", "a line of text")
# Braces are Snakemake's wildcards.
FilePath = text(r"^[^{}\x00-\x1f\x7f]+$", "a path without braces and control characters")
Steps = number(int, ge=0, le=10**9)
Size = number(int, ge=1, le=10_000)
Layers = number(int, ge=1, le=1000)
Parts = number(int, ge=1, le=99_999)
Seed = number(int, ge=0, le=2**32 - 1)
Share = number(float, ge=0, le=1)
Positive = number(float, gt=0, le=1000)
Weight = number(float, ge=0, le=1000)
Precision = Literal["fp32", "bf16", "fp16"]
Names = Annotated[list[Name], Field(min_length=1), AfterValidator(without_repetition)]
FilePaths = Annotated[list[FilePath], Field(min_length=1), AfterValidator(without_repetition)]
Template = text(r"^[^{}]*\{\}[^{}]*$", "a text with one {}")
PromptFiles = dict[Literal[PROMPTS], FilePath]
Prompts = dict[Literal[PROMPTS], Annotated[list[Template], Field(min_length=1)] | Literal[OWN]]
BENCHMARKS = "benchmarks that it is evaluated on, such as [ccneg]; default all"


class Architecture(Section):
    """The sizes of a CLIP that is pretrained here."""

    embed_dim: Size
    image_resolution: Size
    vision_layers: Layers | Annotated[list[Layers], Field(min_length=4, max_length=4)]
    vision_width: Size
    vision_patch_size: Size | None
    transformer_width: number(int, ge=64, le=9984, multiple_of=64)
    transformer_layers: Layers

    @model_validator(mode="after")
    def _clip_can_build_it(self) -> Self:
        """Refuse what `clip.model.CLIP` cannot build, or would build differently when it is loaded again."""
        width, patch, pixels = self.vision_width, self.vision_patch_size, self.image_resolution
        if isinstance(self.vision_layers, list):
            mistakes = {
                f"image_resolution: expected a multiple of 32, found {pixels}": pixels % 32,
                f"vision_width: expected an even number, found {width}": width % 2,
                f"vision_patch_size: expected null for a ResNet, found {patch}": patch is not None,
            }
        elif patch is None:
            mistakes = {"vision_patch_size: expected a number of pixels for a ViT, found null": True}
        else:
            mistakes = {
                f"image_resolution: expected a multiple of the patch, found {pixels}": pixels % patch,
                f"vision_width: expected a multiple of 64 for a ViT, found {width}": width % 64,
            }
        return _refuse(self, mistakes)


class Pretrained(Section):
    """A CLIP that is pretrained here."""

    source: Literal["pretrain"]
    architecture: Architecture
    benchmarks: Names = _optional(BENCHMARKS)


class Released(Section):
    """One of OpenAI's CLIPs."""

    source: Literal["openai"]
    released: Literal["RN50", "RN101", "ViT-B/32", "ViT-B/16", "ViT-L/14"] = Field(description="its name at OpenAI")
    path: FilePath = _optional("its file, where you have it; default: it is downloaded")
    benchmarks: Names = _optional(BENCHMARKS)


class Checkpoint(Section):
    """A published checkpoint."""

    source: Literal["checkpoint"]
    path: FilePath = Field(description="a file, or the folder of a Hugging Face or open_clip model")
    activation: Literal["quickgelu", "gelu"] = Field(
        description="with which it was trained: quickgelu for OpenAI's CLIPs and what was fine-tuned from them"
    )
    backbone: Name = _optional("the CLIP of the same architecture beside which tables list it; default: it is a CLIP")
    family: Line = _optional("the name of its method, such as Neg-CLIP, where it has a `backbone`")
    image_tower: Literal["own", "backbone"] = _optional(
        "backbone: only the text tower was trained, so it shares the backbone's features (checked); default own"
    )
    benchmarks: Names = _optional(BENCHMARKS)

    @model_validator(mode="after")
    def _stands_beside_a_clip(self) -> Self:
        beside = self.backbone is not None
        alone = "needs the key 'backbone', the CLIP beside which tables list the model"
        return _refuse(self, {
            "family: expected the name of its method, such as Neg-CLIP, beside a backbone":
                beside and self.family in (None, "CLIP"),
            f"family: {alone}": not beside and self.family is not None,
            f"image_tower: {alone}": not beside and self.image_tower is not None,
        })  # fmt: skip


class Pool(Section):
    """A pool of images."""

    images: FilePath | FilePaths = Field(description="a path, or a list of paths, as the reader takes them")
    reader: Literal[tuple(READER_PLACES)] = _optional("the layout of the images; default tar", "tar")
    parts: Parts = _optional("jobs that share the pool; default 1", 1)
    count: Count | None = _optional("images that it must have; null, the default: not checked")

    @model_validator(mode="after")
    def _the_reader_takes_it(self) -> Self:
        paths, reader = [self.images] if isinstance(self.images, str) else self.images, find_reader(self.reader)
        tars = self.reader == "tar" and len(paths) > 1
        alone = "expected none: several tars are encoded by one job each, and none of these sees the whole pool"
        return _refuse(self, {
            f"images: the reader {self.reader} does not take {len(paths)} paths; expected {reader.layout}, found "
            f"{quoted(paths)}": not reader.accepts(paths),
            f"parts: {alone}": tars and self.parts > 1,
            f"count: {alone}": tars and self.count is not None,
        })  # fmt: skip


class Benchmark(Section):
    """A benchmark of captions."""

    kind: Literal[tuple(KINDS)] = Field(description="its format and metric")
    annotations: FilePath = Field(description="as published: a file, or the folder of the parts")
    pool: Name = Field(description="the pool of features.pools that has its images")
    count: Count | dict[str, Count] | None = _optional(
        "items that it must have (a folder: by part; retrieval: images); null, the default: not checked"
    )

    @model_validator(mode="after")
    def _the_count_is_by_part_where_the_annotations_are(self) -> Self:
        parts, count = KINDS[self.kind].parts, self.count
        fits = sorted(count) == sorted(parts) if isinstance(count, dict) else count is None or not parts
        expected = f"a number for each of {', '.join(parts)}" if parts else "a number"
        unknown = [nearest(name, parts) for name in count if name not in parts] if isinstance(count, dict) else []
        return _refuse(self, {f"count: expected null or {expected}, found {quoted(count)}{''.join(unknown)}": not fits})


def _refuse(entry: Section, mistakes: dict[str, object]) -> Section:
    """Return the entry if no mistake is true."""
    if found := [text for text, wrong in mistakes.items() if wrong]:
        raise ValueError("\n".join(found))
    return entry


LabelledSet = section(
    classes=Annotated[FilePath, Field(description="file of class names, one per line, in the order of the labels")],
    templates=(FilePath, _optional("file of its own templates, one per line")),
    prompts=(Prompts, _optional("its own templates for some of evaluate.zeroshot.prompts")),
    prompt_classes=(PromptFiles, _optional("files of other class names for some of evaluate.zeroshot.prompts")),
)
Transformer = section(
    kind=Annotated[Literal["flava", "blip"], Field(description="its architecture")],
    path=Annotated[FilePath, Field(description="folder with its files as published")],
)
Models = dict[name_except(*BLIND), Annotated[Pretrained | Released | Checkpoint, Field(discriminator="source")]]
