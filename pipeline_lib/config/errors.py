"""What is wrong with values that a pydantic model refuses: where, what is expected, what was found.

The words follow the model's JSON schema, so a message cannot say less than the check does. A text that may hold a
secret is marked ``writeOnly`` and never repeated.
"""

import difflib
import re
from functools import cache, reduce
from typing import NamedTuple

from pydantic import BaseModel, ValidationError

from pipeline_lib.jobs.quoted import quoted

TYPES = {
    "object": "a dictionary",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
BOUNDS = {
    "minimum": "at least {:,}",
    "exclusiveMinimum": "more than {:,}",
    "maximum": "at most {:,}",
    "exclusiveMaximum": "less than {:,}",
    "multipleOf": "a multiple of {:,}",
    "minItems": "of at least {} entries",
    "maxItems": "of at most {} entries",
    "minProperties": "of at least {} entries",
}


class Place(NamedTuple):
    """A place in a model: its path, the part of the schema that holds there, and the value."""

    path: str
    schema: dict
    value: object


def mistakes(value: object, model: type[BaseModel]) -> list[str]:
    """Return what is wrong with a configuration, or with a row of a sheet, a line per mistake in the model's order."""
    try:
        model.model_validate(value)
    except ValidationError as error:
        schema = schema_of(model)
        lines = [line for mistake in error.errors() for line in _explain(mistake, schema, value)]
        return list(dict.fromkeys(lines))  # pydantic reports a mistake once per alternative
    return []


@cache
def schema_of(model: type[BaseModel]) -> dict:
    """Return the JSON schema of a model."""
    return model.model_json_schema()


def allowed(schema: dict, root: dict) -> str:
    """Return in words what a part of the JSON schema `root` allows."""
    schema = _referenced(schema, root)
    if "words" in schema:
        return schema["words"]
    if "enum" in schema or "const" in schema:
        return f"one of {', '.join(schema.get('enum', [schema.get('const')]))}"
    if alternatives := schema.get("anyOf", schema.get("oneOf")):
        return " or ".join(allowed(part, root) for part in alternatives)
    if "properties" in schema:
        return f"a dictionary of {', '.join(schema['properties'])}"
    bounds = " and ".join(words.format(schema[key]) for key, words in BOUNDS.items() if key in schema)
    items = f", each {allowed(schema['items'], root)}" if "items" in schema else ""
    return f"{TYPES[schema['type']]} {bounds}".strip() + items


def nearest(name: object, names: list[str]) -> str:
    """Return the question whether the most similar of `names` was meant; nothing where none is similar."""
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _referenced(schema: dict, root: dict) -> dict:
    """Return the part that a reference leads to; of a part that may be null, the other alternative if it has keys."""
    if "$ref" in schema:
        return root["$defs"][schema["$ref"].rpartition("/")[2]]
    some = [part for part in schema.get("anyOf", ()) if part.get("type") != "null"]
    return _referenced(some[0], root) if len(some) == 1 and "$ref" in some[0] else schema


def _entry(schema: dict) -> dict | None:
    """Return what holds for every entry of a dictionary whose keys are names."""
    entries = (schema.get("additionalProperties"), *schema.get("patternProperties", {}).values())
    return next(filter(None, entries), None)


def inner(schema: dict, root: dict) -> dict[str, dict]:
    """Return the options in a part of a JSON schema, by name; NAME stands for any name of an entry with options."""
    schema = _referenced(schema, root)
    if "discriminator" in schema:
        sources = {schema["discriminator"]["propertyName"]: {"enum": list(schema["discriminator"]["mapping"])}}
        return reduce(lambda known, branch: inner(branch, root) | known, schema["oneOf"], sources)
    entry = _entry(schema)
    if entry and (names := schema.get("propertyNames", {}).get("enum")):
        return dict.fromkeys(names, entry)
    return {"NAME": entry} if entry and inner(entry, root) else schema.get("properties", {})


def _find(location: tuple, root: dict, value: object) -> Place:
    """Return the place of pydantic's `location`, as far as it names keys: it goes on with names of alternatives."""
    schema, path = root, []
    for step in location:
        schema = _referenced(schema, root)
        if "discriminator" in schema:
            schema = {"$ref": schema["discriminator"]["mapping"][step]}
            continue
        part = schema.get("items") or schema.get("properties", {}).get(step) or _entry(schema)
        if not part:
            break
        value = value.get(step) if isinstance(value, dict) else value[step]
        schema, path = part, [*path, step]
    return Place("/".join(map(str, path)), schema, value)


def _explain(mistake: dict, root: dict, value: object) -> list[str]:
    kind, location = mistake["type"], mistake["loc"]
    of_key = location[-1:] == ("[key]",)
    if of_key or kind in ("extra_forbidden", "invalid_key"):
        place = _find(location[: -2 if of_key else -1], root, value)
        key = location[-1] if kind == "extra_forbidden" else mistake["input"]
        return [_explain_key(mistake, place._replace(schema=_referenced(place.schema, root)), key)]
    place = _find(location, root, value)
    expected, found = allowed(place.schema, root), f"{said(place.value)}{_hint(place.value)}"
    if kind == "missing":
        return [f"{place.path.rpartition('/')[0] or 'the top level'}: missing {location[-1]}; expected {expected}"]
    if kind == "value_error":
        lines = str(mistake["ctx"]["error"]).splitlines()
        return [f"{place.path}: {x}, found {found}" if x.startswith("expected") else f"{place.path}/{x}" for x in lines]
    if kind.startswith("union_tag"):
        union = _referenced(place.schema, root)["discriminator"]
        key, expected = union["propertyName"], f"one of {', '.join(union['mapping'])}"
        if key in place.value:
            return [f"{place.path}/{key}: expected {expected}, found {said(place.value[key])}"]
        return [f"{place.path}: missing {key}; expected {expected}, found the keys {', '.join(map(str, place.value))}"]
    if place.schema.get("writeOnly"):
        found = "a text that is not shown, since it may hold a secret"
    elif isinstance(place.value, str) and "enum" in place.schema:
        found += nearest(place.value, place.schema["enum"])
    return [f"{place.path or 'the top level'}: expected {expected}, found {found}"]


def _explain_key(mistake: dict, place: Place, key: object) -> str:
    names = place.schema.get("propertyNames", {}).get("enum") or sorted(place.schema.get("properties", {}))
    if names:
        question = f"{nearest(key, names)}{_hint(key)}" or "."
        return f"{place.path or 'the top level'}: unknown key {said(key)}{question} Allowed: {', '.join(names)}"
    expected = mistake.get("ctx", {}).get("error") or f"expected {place.schema['propertyNames']['words']}"
    return f"{place.path}, a key: {expected}, found {said(key)}"


def said(value: object) -> str:
    """Return a value as YAML would have it, where Python's word differs."""
    words = {"None": "null", "True": "true", "False": "false"}
    return words.get(quoted(value), quoted(value))


def _hint(value: object) -> str:
    if isinstance(value, bool):
        return " (YAML reads no, yes, on and off as true or false: put the word in quotes)"
    if isinstance(value, str) and re.fullmatch(r"[0-9.]+e[-+]?[0-9]+", value.lower()):
        return " (YAML reads 1e-6 as a text: write 1.0e-6)"
    if isinstance(value, str) and re.fullmatch(r"[0-9]+,[0-9]+", value):
        return " (write a decimal point: 0.5)"
    return ""
