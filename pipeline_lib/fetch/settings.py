"""How to fetch: each option of the command, with its type, bounds and meaning, declared once."""

import ipaddress

from pydantic import BaseModel, Field, field_validator, model_validator

from pipeline_lib.formats import MAX_PIXELS
from pipeline_lib.jobs.options import Count, Seconds, Wait, text

Target = tuple[str, int]  # IP address and port

# The settings that an image or a permanent failure depends on. What was fetched under others is not taken over; the
# rest says how patiently hosts are asked, and may change while a part is under way.
DECISIVE = ("image_size", "respect_robots", "max_bytes", "max_pixels", "max_redirects")

HostName = text(r"^[a-z0-9-]+(\.[a-z0-9-]+)*$", "a host name")
AddressAndPort = text(r"^[0-9A-Fa-f.:\[\]]+:[0-9]+$", "ADDRESS:PORT")
AsciiLine = text("^[!-~]([ -~]*[!-~])?$", "a line of ASCII text")  # an HTTP header


class FetchSettings(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """The options of `pipeline_lib.fetch.fetch` that say how to fetch; those of the configuration's section too."""

    image_size: int | None = Field(ge=16, le=10_000, description="shortest side to store, in pixels; none: as sent")
    user_agent: AsciiLine = Field(description="how requests name us: a name and a contact, on one line")
    respect_robots: bool = Field(description="true or false: whether to obey robots.txt; X-Robots-Tag is always obeyed")
    timeout_s: Seconds = Field(description="seconds that the requests of one attempt may take")
    deadline_s: Seconds = Field(description="seconds of all attempts at a URL, without the waits between them")
    max_bytes: Count = Field(description="most bytes of a file that is downloaded")
    max_pixels: int = Field(
        ge=1,
        le=MAX_PIXELS,
        description="most pixels of an image, before and after resizing; a larger one is not decoded",
    )
    max_redirects: int = Field(ge=0, le=100, description="most redirects in one attempt")
    attempts: Count = Field(description="most attempts at a URL that fails temporarily")
    backoff_s: Wait = Field(description="seconds before the third attempt, doubled with each further one")
    connections: Count = Field(description="requests open at a time")
    connections_per_host: Count = Field(description="requests open at a time to one host")
    requests_per_second_per_host: float | None = Field(
        gt=0, le=10**6, description="most requests per second to one host; none: no limit"
    )
    max_crawl_delay_s: Wait = Field(
        description="most seconds between two requests to one host that robots.txt can ask for"
    )
    breaker_failures: Count = Field(description="unanswered requests in a row after which a host is asked no more")
    threads: Count = Field(description="threads that decode and resize images")
    connect_to: dict[HostName, AddressAndPort] = Field(
        description="end of host names=IP address:port that is asked in their place"
    )

    @field_validator("user_agent", mode="before")
    @classmethod
    def _check_agent(cls, agent: str) -> str:
        if not agent.isprintable() or not agent.replace("/", " ").strip():
            raise ValueError(f"expected a name and a contact on one line, found {agent!r}")
        return agent

    @field_validator("connect_to", mode="before")
    @classmethod
    def _check_targets(cls, targets: dict[str, str]) -> dict[str, str]:
        for suffix, target in targets.items():
            _parse_target(suffix, target)
        return {suffix.lower().strip("."): target for suffix, target in targets.items()}

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
    def targets(self) -> dict[str, Target]:
        """`connect_to`, each address apart from its port."""
        return {suffix: _parse_target(suffix, target) for suffix, target in self.connect_to.items()}

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
