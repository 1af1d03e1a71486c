"""How to fetch: each option of the command, with its type, bounds and meaning, declared once."""

import ipaddress

from pydantic import BaseModel, Field, field_validator, model_validator

Target = tuple[str, int]  # IP address and port

# The settings that an image or a permanent failure depends on. What was fetched under others is not taken over; the
# rest says how patiently hosts are asked, and may change while a part is under way.
DECISIVE = ("image_size", "respect_robots", "max_bytes", "max_pixels", "max_redirects")


class FetchSettings(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """The options of `pipeline_lib.fetch.fetch` that say how to fetch."""

    image_size: int | None = Field(ge=1, description="shortest side to store, in pixels; none: the bytes as sent")
    user_agent: str = Field(description="who asks: a name and a contact, on one line")
    respect_robots: bool = Field(description="whether robots.txt counts: true or false; X-Robots-Tag always does")
    timeout_s: float = Field(ge=0.001, description="seconds that the requests of one attempt may take")
    deadline_s: float = Field(description="seconds that all attempts at a URL may take, without the waits between them")
    max_bytes: int = Field(ge=1, description="longest body")
    max_pixels: int = Field(ge=1, description="largest image, before and after resizing; a larger one is not decoded")
    max_redirects: int = Field(ge=0, description="most redirects in one attempt")
    attempts: int = Field(ge=1, description="how often a URL is asked while it fails transiently")
    backoff_s: float = Field(ge=0, description="seconds before the third attempt, doubled with each further one")
    connections: int = Field(ge=1, description="requests open at a time")
    connections_per_host: int = Field(ge=1, description="requests open at a time to one host")
    requests_per_second_per_host: float | None = Field(ge=0.001, description="most requests started; none: no limit")
    max_crawl_delay_s: float = Field(ge=0, description="a longer Crawl-delay counts as so many seconds")
    breaker_failures: int = Field(ge=1, description="unanswered requests in a row after which a host is spared")
    threads: int = Field(ge=1, description="threads that decode and resize")
    connect_to: dict[str, Target] = Field({}, description="host name suffix=IP address:port that is asked instead")

    @field_validator("user_agent")
    @classmethod
    def _check_agent(cls, agent: str) -> str:
        if not agent.isprintable() or not agent.replace("/", " ").strip():
            raise ValueError(f"expected a name and a contact on one line, found {agent!r}")
        return agent

    @field_validator("connect_to", mode="before")
    @classmethod
    def _parse_targets(cls, targets: dict[str, str]) -> dict[str, Target]:
        return {suffix.lower().strip("."): _parse_target(suffix, text) for suffix, text in targets.items()}

    @model_validator(mode="after")
    def _check_deadline(self) -> "FetchSettings":
        if self.deadline_s < self.timeout_s:
            raise ValueError(f"--deadline-s: expected --timeout-s ({self.timeout_s}) or more, found {self.deadline_s}")
        return self

    @property
    def agent_name(self) -> str:
        """What robots.txt and X-Robots-Tag call us: what stands before the first slash or blank of the user agent."""
        return self.user_agent.replace("/", " ").split()[0]

    @property
    def longest_wait_s(self) -> float:
        """How long a host is left alone at most, even if it asks for longer: a part has to end."""
        return 4 * self.timeout_s


def _parse_target(suffix: str, text: str) -> Target:
    address, _, port = text.rpartition(":")
    address = address.strip("[]")
    try:
        ipaddress.ip_address(address)
        if suffix and 0 < int(port) < 65536:
            return address, int(port)
    except ValueError:
        pass
    raise ValueError(
        f"expected SUFFIX=ADDRESS:PORT, such as miniature.test=127.0.0.1:8080, found {f'{suffix}={text}'!r}"
    )
