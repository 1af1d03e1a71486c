"""What is drawn, and how its images are served: the options of the command and of the configuration's section."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from pipeline_lib.jobs.options import Count, number

ANSWERS = {
    "ok": "200 with the image",
    "dead": "404",
    "gone": "410",
    "forbidden": "403",
    "busy-once": "503 the first time, then ok",
    "failing": "500 always",
    "mislabelled": "200, called a JPEG, is HTML",
    "truncated": "closed in the middle of the announced length",
    "corrupt": "200 with the first half of the image as if it were all",
    "noai": "ok, with X-Robots-Tag: noai",
    "disallowed": "ok, but robots.txt forbids to ask",
    "redirect": "302 to the same path with ?r=1, then ok",
    "silent": "never answers",
}


def _leave_some(shares: dict[str, float]) -> dict[str, float]:
    if sum(shares.values()) >= 1:
        raise ValueError("expected shares with a sum below 1, so that some images are served")
    return shares


BadAnswers = dict[Literal[tuple(name for name in ANSWERS if name != "ok")], number(float, ge=0, le=1)]


class WorldSettings(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """How many images there are of each kind."""

    seed: int = Field(ge=0, le=2**32 - 1, description="seed of everything")
    captions: Count = Field(description="number of links in the captions file")
    pretrain: Count = Field(description="number of images to pretrain backbones on")
    pool: Count = Field(description="number of images to choose distractors from")
    zeroshot: Count = Field(description="number of images of each labelled set")
    sugarcrepe: Count = Field(description="number of images of SugarCREPE's miniature")
    crepe: int = Field(ge=9, le=10**9, description="number of images of CREPE-Negate's miniature")
    negation: int = Field(ge=1000, le=10**9, description="number of images of the negation benchmarks")
    hosts: Count = Field(description="number of hosts that serve the captions' images")
    answers: Annotated[BadAnswers, AfterValidator(_leave_some)] = Field(
        description="share of links with a bad answer, by kind of answer"
    )
