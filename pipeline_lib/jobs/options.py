"""Options whose type, bounds and meaning a pydantic model declares: the configuration's, and flags of commands.

Upper bounds are far above any use: they catch typing errors. Commands that need no model load none of this: pydantic
takes a tenth of a second.
"""

import argparse
from types import NoneType
from typing import Annotated, TypeVar, get_args, get_origin

from pydantic import BaseModel, Field, ValidationError

Model = TypeVar("Model", bound=BaseModel)


def number(kind: type, **bounds: float) -> type:
    """Return the numbers within bounds, as pydantic names them."""
    return Annotated[kind, Field(**bounds)]


def text(pattern: str, words: str) -> type:
    """Return the texts that match a pattern; `words` say which, for messages and the table of options."""
    return Annotated[str, Field(pattern=pattern, json_schema_extra={"words": words})]


Count = number(int, ge=1, le=10**9)
Wait = number(float, ge=0, le=86_400)
Seconds = number(float, gt=0, le=86_400)


def add_options(parser: argparse.ArgumentParser, model: type[BaseModel]) -> None:
    """Add ``--kebab-case`` for each field of a pydantic model; ``--key K=V``, repeated, where the field is a dict."""
    for name, field in model.model_fields.items():
        many = get_origin(field.annotation) is dict
        kind = {"action": "append", "metavar": "KEY=VALUE", "default": []} if many else {"required": True}
        parser.add_argument(f"--{name.replace('_', '-')}", help=field.description, **kind)


def from_args(model: type[Model], args: argparse.Namespace) -> Model:
    """Return the model of the options that `add_options` added; ``none`` is None where the field allows it.

    What the model refuses is a `ValueError` that names the option, what was expected and what was found.
    """
    values = {name: value for name, value in vars(args).items() if name in model.model_fields}
    for name, value in values.items():
        if isinstance(value, list):
            values[name] = {key: text for key, _, text in (pair.partition("=") for pair in value)}
        elif value == "none" and NoneType in get_args(model.model_fields[name].annotation):
            values[name] = None
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        option = f"--{str(first['loc'][0]).replace('_', '-')}: " if first["loc"] else ""
        if first["type"] == "value_error":  # of a validator of the model, which says what it found
            raise ValueError(f"{option}{first['ctx']['error']}") from None
        expected = first["msg"].replace("Input should be", "expected")
        raise ValueError(f"{option}{expected}, found {first['input']!r}") from None
