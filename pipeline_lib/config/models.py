"""The configuration as pydantic models, as ``config.yaml`` has it: each option's type, bounds and choices.

What an option means and its default stand beside it in ``config/config.yaml``. `pipeline_lib.config.checks` validates
with these models, `pipeline_lib.config.reference` lists them.
"""

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from pipeline_lib.config.entries import (
    Benchmark,
    FilePath,
    LabelledSet,
    Line,
    Models,
    Name,
    Parts,
    Pool,
    Positive,
    Precision,
    Prompts,
    Seed,
    Share,
    Steps,
    Transformer,
    Weight,
    name_except,
    section,
    without_repetition,
)
from pipeline_lib.evaluate.declaration import EVALUATION_PRECISIONS
from pipeline_lib.evaluate.kinds import BLIND
from pipeline_lib.fetch.settings import FetchSettings
from pipeline_lib.finetune.terms import LOSSES
from pipeline_lib.jobs.curves import CURVES
from pipeline_lib.jobs.options import Count, Seconds, Wait, number, text
from pipeline_lib.miniature.settings import WorldSettings

# `writeOnly`: a password or key that someone puts here is not repeated in a message. A user name and password before
# the host are refused, since jobs, logs and Snakemake's records hold the address. Names of variables are in capitals,
# keys hardly ever.
SECRET = Field(json_schema_extra={"writeOnly": True})
Address = text(r"^https?://[^/?#@\s]+([/?#][!-~]*)?$", "an address http(s)://HOST... without a user name")
Variable = text("^[A-Z_][A-Z0-9_]*$", "the NAME of an environment variable in capitals")


def _options_of(command: type[BaseModel], without: Collection[str] = ()) -> dict[str, tuple]:
    """Return the options that the settings of a command declare."""
    return {name: (field.annotation, field) for name, field in command.model_fields.items() if name not in without}


Config = section(
    run=name_except("tables", "figures"),  # results/<run>/ lies beside results/tables/
    curves=Literal[CURVES],
    container=Line | None,
    miniature=section(**_options_of(WorldSettings)) | None,
    fetch=section(
        captions=FilePath,
        rows=Count | None,
        parts=Parts,
        **_options_of(FetchSettings, without=("threads",)),
    ),
    captions=section(
        backend=Literal["rules", "chat"],
        spacy_model=Line,
        seed=Seed,
        min_quality=Share,
        word_weights=Annotated[dict[Literal["no", "not", "without"], Positive], Field(min_length=3)],
        chat=section(
            url=Annotated[Address, SECRET],
            model=Line,
            temperature=number(float, ge=0, le=100),
            top_p=number(float, gt=0, le=1),
            max_tokens=Count,
            concurrency=Count,
            timeout_s=Seconds,
            attempts=Count,
            backoff_s=Wait,
            cache=FilePath,
            api_key_variable=Annotated[Variable | None, SECRET],
        ),
    ),
    shards=section(
        eval_share=number(float, gt=0, lt=1),
        seed=Seed,
        negated_commas=Literal["remove", "keep"],
        released=section(annotations=FilePath, images=FilePath, count=Count, eval_last=Count, most_missing=Steps)
        | None,
    ),
    backbones=section(
        models=Annotated[Models, Field(min_length=1)],
        pretrain=section(
            images=FilePath,
            steps=Count,
            batch_size=number(int, ge=2, le=10**9),
            lr=Positive,
            weight_decay=Weight,
            warmup_steps=Steps,
            seed=Seed,
        ),
    ),
    features=section(
        batch_size=Count,
        precision=Precision,
        training_precision=Precision,
        pools=Annotated[dict[name_except("ccneg-train", "ccneg-eval"), Pool], Field(min_length=1)],
    ),
    distractors=section(backbone=Name, released=section(mapping=FilePath, captions=FilePath) | None),
    finetune=section(
        experiments=FilePath,
        crepe_captions=FilePath,
        epochs=Count,
        batch_size=Count,
        lr=Positive,
        weight_decay=Weight,
        warmup_steps=Steps,
        facts=Literal["captions", "labels"],
        order=Literal["shuffled", "paper"],
        precision=Precision,
        processes=Count,
        checkpoint_every=Count,
    ),
    evaluate=section(
        zeroshot=section(datasets=Annotated[dict[Name, LabelledSet], Field(min_length=1)], prompts=Prompts),
        benchmarks=dict[name_except("ccneg", "zeroshot", "embeddings"), Benchmark],  # these have rules of their own
        transformers=dict[name_except(*BLIND), Transformer],
        precision=Literal[EVALUATION_PRECISIONS],
        subtract=section(weight=Positive, models=Annotated[list[Name], AfterValidator(without_repetition)]),
    ),
    paper=section(published=FilePath, gallery=section(seed=Seed, examples=Count)),
)

#: A row of the sheet of experiments: texts, and numbers that stand for an option of `finetune`, which it may lack.
Experiment = section(
    experiment=Name,
    family=Line,
    backbone=str,
    loss=Literal[tuple(LOSSES)],
    negatives=Literal["ccneg", "crepe"],
    seeds=text("^[0-9]+(,[0-9]+)*$", "numbers with commas between them"),
    benchmarks=text("^(all|[a-z0-9-]+(,[a-z0-9-]+)*)$", "all, or names with commas between them"),
    epochs=(Count, None),
    lr=(Positive, None),
    batch_size=(Count, None),
)
