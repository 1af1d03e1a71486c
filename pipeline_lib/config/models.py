"""The configuration as pydantic models: each option's type, bounds and choices, declared once.

What an option means and its default stand beside it in ``config/config.yaml``; options of entries that users add are
described here. `pipeline_lib.config.checks` validates with these models, `pipeline_lib.config.reference` lists them.
A validator's message starts with the wrong key, or with "expected" where the whole value is wrong. The upper bounds are
far above any use: they catch typing errors.
"""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model, model_validator

from pipeline_lib.config.errors import nearest
from pipeline_lib.evaluate.kinds import BLIND, KINDS
from pipeline_lib.evaluate.prompts import OWN, PROMPTS
from pipeline_lib.finetune.terms import LOSSES
from pipeline_lib.jobs.quoted import quoted
from pipeline_lib.readers.catalogue import READERS


class Section(BaseModel):
    """A part of the configuration without further keys. YAML's types are taken as they are."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


def _section(**fields: type) -> type[Section]:
    return create_model("Section", __base__=Section, **fields)


def _number(kind: type, **bounds: float) -> type:
    return Annotated[kind, Field(**bounds)]


def _text(pattern: str, words: str) -> type:
    """Texts that match a pattern; `words` say which, for messages and the table of options."""
    return Annotated[str, Field(pattern=pattern, json_schema_extra={"words": words})]


def _name_except(*reserved: str) -> type:
    def check(name: str) -> str:
        if name in reserved:
            raise ValueError(f"expected a name other than {', '.join(reserved)}")
        return name

    return Annotated[Name, AfterValidator(check)]


def _without_repetition(values: list[str]) -> list[str]:
    if len(set(values)) < len(values):
        raise ValueError("expected a list without repetition")
    return values


def _optional(description: str, default: object = None) -> Field:
    """An option that may be left out, but is not null unless its type says so."""
    return Field(default=default, description=description)


Name = _text("^[a-z0-9]+(-[a-z0-9]+)*$", "a name of lower-case letters, digits and -")
Line = _text(r"^[^\x00-\x1f\x7f]+$", "a line of text")
# Braces are Snakemake's wildcards.
FilePath = _text(r"^[^{}\x00-\x1f\x7f]+$", "a path without braces and control characters")
Count = _number(int, ge=1, le=10**9)
Steps = _number(int, ge=0, le=10**9)
Size = _number(int, ge=1, le=10_000)
Layers = _number(int, ge=1, le=1000)
Parts = _number(int, ge=1, le=99_999)
Seed = _number(int, ge=0, le=2**32 - 1)
Share = _number(float, ge=0, le=1)
Positive = _number(float, gt=0, le=1000)
Weight = _number(float, ge=0, le=1000)
Wait = _number(float, ge=0, le=86_400)
Seconds = _number(float, gt=0, le=86_400)
Precision = Literal["fp32", "bf16", "fp16"]
Names = Annotated[list[Name], Field(min_length=1), AfterValidator(_without_repetition)]
FilePaths = Annotated[list[FilePath], Field(min_length=1), AfterValidator(_without_repetition)]
Template = _text(r"^[^{}]*\{\}[^{}]*$", "a text with one {}")
Prompts = dict[Literal[PROMPTS], Annotated[list[Template], Field(min_length=1)] | Literal[OWN]]
BENCHMARKS = "benchmarks that it is evaluated on, such as [ccneg]; default all"


class Architecture(Section):
    """The sizes of a CLIP that is pretrained here."""

    embed_dim: Size
    image_resolution: Size
    vision_layers: Layers | Annotated[list[Layers], Field(min_length=4, max_length=4)]
    vision_width: Size
    vision_patch_size: Size | None
    transformer_width: _number(int, ge=64, le=9984, multiple_of=64)
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
        beside, alone = (
            self.backbone is not None,
            "needs the key 'backbone', the CLIP beside which tables list the model",
        )
        return _refuse(self, {
            "family: expected the name of its method, such as Neg-CLIP, beside a backbone":
                beside and self.family in (None, "CLIP"),
            f"family: {alone}": not beside and self.family is not None,
            f"image_tower: {alone}": not beside and self.image_tower is not None,
        })  # fmt: skip


class Pool(Section):
    """A pool of images."""

    images: FilePath | FilePaths = Field(description="a path, or a list of paths, as the reader takes them")
    reader: Literal[tuple(READERS)] = _optional("the layout of the images; default tar", "tar")
    parts: Parts = _optional("jobs that share the pool; default 1", 1)
    count: Count | None = _optional("images that it must have; null, the default: not checked")

    @model_validator(mode="after")
    def _the_reader_takes_it(self) -> Self:
        paths, reader = [self.images] if isinstance(self.images, str) else self.images, READERS[self.reader]
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
    count: Count | dict[str, Count] | None = Field(
        description="items of the published files (of a folder: for each part; of retrieval: images); null: not checked"
    )

    @model_validator(mode="after")
    def _the_count_is_by_part_where_the_annotations_are(self) -> Self:
        parts, count = KINDS[self.kind], self.count
        fits = sorted(count) == sorted(parts) if isinstance(count, dict) else count is None or not parts
        expected = f"a number for each of {', '.join(parts)}" if parts else "a number"
        unknown = [nearest(name, parts) for name in count if name not in parts] if isinstance(count, dict) else []
        return _refuse(self, {f"count: expected null or {expected}, found {quoted(count)}{''.join(unknown)}": not fits})


def _refuse(entry: Section, mistakes: dict[str, object]) -> Section:
    """Return the entry if no mistake is true."""
    if found := [text for text, wrong in mistakes.items() if wrong]:
        raise ValueError("\n".join(found))
    return entry


LabelledSet = _section(
    classes=Annotated[FilePath, Field(description="file of class names, one per line, in the order of the labels")],
    templates=(FilePath, _optional("file of its own templates, one per line")),
    prompts=(Prompts, _optional("its own templates for some of evaluate.zeroshot.prompts")),
)
Transformer = _section(
    kind=Annotated[Literal["flava", "blip"], Field(description="its architecture")],
    path=Annotated[FilePath, Field(description="folder with its files as published")],
)
Models = dict[_name_except(*BLIND), Annotated[Pretrained | Released | Checkpoint, Field(discriminator="source")]]
BAD_ANSWERS = (
    *("dead", "gone", "forbidden", "busy-once", "failing", "mislabelled", "truncated", "corrupt", "noai", "disallowed"),
    *("redirect", "silent"),
)
# `writeOnly`: a password or key that someone puts here is not repeated in a message. A user name and password before
# the host are refused, since jobs, logs and Snakemake's records hold the address. Names of variables are in capitals,
# keys hardly ever.
SECRET = Field(json_schema_extra={"writeOnly": True})
Address = _text(r"^https?://[^/?#@\s]+([/?#][!-~]*)?$", "an address http(s)://HOST... without a user name")
Variable = _text("^[A-Z_][A-Z0-9_]*$", "the NAME of an environment variable in capitals")

Config = _section(
    run=_name_except("tables", "figures"),  # results/<run>/ lies beside results/tables/
    miniature=_section(
        **{"seed": Seed} | dict.fromkeys(("captions", "pretrain", "pool", "zeroshot", "sugarcrepe", "hosts"), Count),
        crepe=_number(int, ge=9, le=10**9),  # one in each of CREPE-Negate's files
        answers=dict[Literal[BAD_ANSWERS], Share],
    )
    | None,
    fetch=_section(
        captions=FilePath,
        rows=Count | None,
        parts=Parts,
        image_size=_number(int, ge=16, le=10_000) | None,
        user_agent=_text("^[!-~]([ -~]*[!-~])?$", "a line of ASCII text"),  # an HTTP header
        respect_robots=bool,
        **dict.fromkeys(("timeout_s", "deadline_s"), Seconds),
        **dict.fromkeys(("max_bytes", "max_pixels", "attempts", "breaker_failures"), Count),
        max_redirects=_number(int, ge=0, le=100),
        **dict.fromkeys(("backoff_s", "max_crawl_delay_s"), Wait),
        **dict.fromkeys(("connections", "connections_per_host"), Count),
        requests_per_second_per_host=_number(float, gt=0, le=10**6) | None,
        connect_to=dict[
            _text(r"^[a-z0-9-]+(\.[a-z0-9-]+)*$", "a host name"), _text(r"^[0-9A-Fa-f.:\[\]]+:[0-9]+$", "ADDRESS:PORT")
        ],
    ),
    captions=_section(
        backend=Literal["rules", "chat"],
        spacy_model=Line,
        seed=Seed,
        word_weights=Annotated[dict[Literal["no", "not", "without"], Positive], Field(min_length=3)],
        chat=_section(
            url=Annotated[Address, SECRET],
            model=Line,
            temperature=_number(float, ge=0, le=100),
            top_p=_number(float, gt=0, le=1),
            **dict.fromkeys(("max_tokens", "concurrency", "attempts"), Count),
            timeout_s=Seconds,
            backoff_s=Wait,
            cache=FilePath,
            api_key_variable=Annotated[Variable | None, SECRET],
        ),
    ),
    shards=_section(
        eval_share=_number(float, gt=0, lt=1),
        seed=Seed,
        negated_commas=Literal["remove", "keep"],
        released=_section(annotations=FilePath, images=FilePath, count=Count, eval_last=Count, most_missing=Steps)
        | None,
    ),
    backbones=_section(
        models=Annotated[Models, Field(min_length=1)],
        pretrain=_section(
            images=FilePath,
            steps=Count,
            batch_size=_number(int, ge=2, le=10**9),
            lr=Positive,
            weight_decay=Weight,
            warmup_steps=Steps,
            seed=Seed,
        ),
    ),
    features=_section(
        batch_size=Count,
        precision=Precision,
        training_precision=Precision,
        pools=Annotated[dict[_name_except("ccneg-train", "ccneg-eval"), Pool], Field(min_length=1)],
    ),
    distractors=_section(
        backbone=Name,
        released=_section(mapping=FilePath, captions=FilePath) | None,
    ),
    finetune=_section(
        experiments=FilePath,
        crepe_captions=FilePath,
        **dict.fromkeys(("epochs", "batch_size", "processes", "checkpoint_every"), Count),
        lr=Positive,
        weight_decay=Weight,
        warmup_steps=Steps,
        order=Literal["shuffled", "paper"],
        precision=Precision,
    ),
    evaluate=_section(
        zeroshot=_section(datasets=Annotated[dict[Name, LabelledSet], Field(min_length=1)], prompts=Prompts),
        benchmarks=dict[_name_except("ccneg", "zeroshot", "embeddings"), Benchmark],  # these have rules of their own
        transformers=dict[_name_except(*BLIND), Transformer],
    ),
    paper=_section(published=FilePath, gallery=_section(seed=Seed, examples=Count)),
)

#: A row of the sheet of experiments, whose cells are texts.
Experiment = _section(
    experiment=Name,
    family=Line,
    backbone=str,
    loss=Literal[tuple(LOSSES)],
    negatives=Literal["ccneg", "crepe"],
    seeds=_text("^[0-9]+(,[0-9]+)*$", "numbers with commas between them"),
    benchmarks=_text("^(all|[a-z0-9-]+(,[a-z0-9-]+)*)$", "all, or names with commas between them"),
)
