"""Negation by a language model behind a chat endpoint; its answers pass the checks of `captions.rules`.

`ChatSettings` declares how the model is asked: the section ``captions.chat`` of the configuration, and the flags of
`captions.negate`.
"""

from dataclasses import dataclass, field, fields


def _setting(help_text: str, at_least: float | None = None, above: float | None = None):
    return field(metadata={"help": help_text, "at_least": at_least, "above": above})


@dataclass(frozen=True)
class ChatSettings:
    """Which model, where, and how it is asked; a number out of its range is a ValueError that names the flag."""

    url: str = _setting("URL of an OpenAI-compatible chat endpoint")
    model: str = _setting("name of the model at the endpoint")
    temperature: float = _setting("temperature of the sampling; 0: always the likeliest word", at_least=0)
    top_p: float = _setting("share of probability that words are sampled from (nucleus)", above=0)
    max_tokens: int = _setting("most tokens of an answer; a longer one is cut and refused", at_least=1)
    # One that waits to be repeated counts, so a busy server is asked less.
    concurrency: int = _setting("requests open at the same time", at_least=1)
    timeout_s: float = _setting("seconds that one attempt may take, from connecting to the last byte", above=0)
    attempts: int = _setting("most attempts at a request that fails, and at an answer that cannot be used", at_least=1)
    backoff_s: float = _setting("seconds before the second attempt, doubled with each further one", at_least=0)
    cache: str = _setting("SQLite file that keeps the answers")
    api_key_variable: str = _setting("name of the environment variable that holds the API key; none: no key")

    def __post_init__(self):
        """Check the ranges."""
        for setting in fields(self):
            value, at_least, above = (
                getattr(self, setting.name),
                setting.metadata["at_least"],
                setting.metadata["above"],
            )
            flag = f"--{setting.name.replace('_', '-')}"
            if at_least is not None and not value >= at_least:
                raise ValueError(f"{flag}: expected at least {at_least}, found {value}")
            if above is not None and not value > above:
                raise ValueError(f"{flag}: expected more than {above}, found {value}")
