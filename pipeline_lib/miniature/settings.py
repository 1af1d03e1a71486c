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

    seed: int = Field(ge=0, le=2**32 - 1, description="from which everything follows")
    captions: Count = Field(description="links of the captions file")
    pretrain: Count = Field(description="images to pretrain backbones on")
    pool: Count = Field(description="images to choose distractors from")
    zeroshot: Count = Field(description="images of each labelled set")
    sugarcrepe: Count = Field(description="images of SugarCREPE's")
    crepe: int = Field(ge=9, le=10**9, description="images of CREPE-Negate's; one in each of its files")
    negation: int = Field(ge=1000, le=10**9, description="images of which retrieval with a negation finds its queries")
    hosts: Count = Field(description="hosts that serve the captions' images")
    answers: Annotated[BadAnswers, AfterValidator(_leave_some)] = Field(description="share of a bad answer")
