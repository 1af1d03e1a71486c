"""Check values against a JSON schema, and say of each mistake where it is, what is expected and what was found.

The words follow the schema, so that a message cannot say less than the check does. A text that may hold a secret is
marked ``writeOnly`` in the schema and never repeated.
"""

import difflib
import math
import re
from collections.abc import Iterator

import jsonschema

from pipeline_lib.jobs.quoted import quoted

WORDS = {
    "object": "a dictionary",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
MOST_VALUES = 100_000  # of a configuration, a hundred times ours
NUMBERS = {
    "minimum": "at least {:,}",
    "exclusiveMinimum": "more than {:,}",
    "maximum": "at most {:,}",
    "exclusiveMaximum": "less than {:,}",
    "multipleOf": "a multiple of {:,}",
}
BOUNDS = {
    "integer": NUMBERS,
    "number": NUMBERS,
    "string": {"pattern": "that matches {}", "minLength": "of at least {} characters"},
    "array": {
        "minItems": "of at least {} entries",
        "maxItems": "of at most {} entries",
        "uniqueItems": "without repetition",
    },
}


def _is_number(_: object, value: object) -> bool:
    return type(value) is int or (type(value) is float and math.isfinite(value))


def _whole_pattern(_: object, pattern: str, value: object, __: dict) -> Iterator[jsonschema.ValidationError]:
    # `$` alone matches before a line feed at the end too, and a name with one would be another file's.
    if isinstance(value, str) and not re.fullmatch(pattern, value):
        yield jsonschema.ValidationError(f"{pattern} does not match")


# In JSON 5.0 is whole, but no command line takes it for it; and YAML has .nan and .inf, which JSON has not.
_TYPES = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
    {"number": _is_number, "integer": lambda _, value: type(value) is int}
)
_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator, validators={"pattern": _whole_pattern}, type_checker=_TYPES
)


def mistakes(value: object, schema: dict) -> list[str]:
    """Return what is wrong with a value, a line per mistake, in the order of the places.

    Parameters
    ----------
    value : object
        A configuration, or a row of a sheet.
    schema : dict
        A JSON schema.
    """
    if _is_endless(value):
        return [
            f"expected at most {MOST_VALUES:,} values, found more: are there aliases of YAML that repeat each other?"
        ]
    errors = sorted(_Validator(schema).iter_errors(value), key=lambda error: list(map(str, error.absolute_path)))
    return list(dict.fromkeys(line for error in errors for line in _explain(error, schema)))


def _is_endless(value: object) -> bool:
    """Whether a tree has more than `MOST_VALUES` values; jsonschema would write each of them into a message."""
    todo, left = [value], MOST_VALUES
    while todo and left:
        node, left = todo.pop(), left - 1
        todo += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return bool(todo)


def allowed(schema: dict, root: dict) -> str:
    """Return in words what a part of the schema `root` allows."""
    if "$ref" in schema:
        return allowed(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if "not" in schema:
        return f"not {allowed(schema['not'], root)}"
    if "allOf" in schema:
        return " and ".join(allowed(part, root) for part in schema["allOf"])
    if "anyOf" in schema:
        return " or ".join(allowed(part, root) for part in schema["anyOf"])
    if "then" in schema:
        return f"{allowed({'type': 'array', **schema['then']}, root)}, or {allowed(schema['else'], root)}"
    types = schema.get("type") or ["string" if "pattern" in schema else "object"]
    return " or ".join(_kind(kind, schema) for kind in ([types] if isinstance(types, str) else types))


def _kind(kind: str, schema: dict) -> str:
    """Return in words what a part of a schema allows of a type."""
    if kind == "object" and "properties" in schema:
        return f"{WORDS[kind]} of {', '.join(schema['properties'])}"
    bounds = [words.format(schema[key]) for key, words in BOUNDS.get(kind, {}).items() if key in schema]
    return f"{WORDS[kind]} {' and '.join(bounds)}".strip()


def nearest(name: object, names: list[str]) -> str:
    """Return the question whether the most similar of `names` was meant; nothing where none is similar."""
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _explain(error: jsonschema.ValidationError, root: dict) -> list[str]:
    """Return what is wrong at which key, what was found and what is allowed; a line per key."""
    place = "/".join(map(str, error.absolute_path)) or "the top level"
    if error.validator == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        return [
            f"{place}: unknown key {_said(key)}{nearest(key, known)}{_hint(key)} Allowed: {', '.join(known)}"
            for key in sorted(set(error.instance) - set(known), key=str)
        ]
    if error.validator == "required":
        parts = (error.schema | root["$defs"].get(error.schema.get("$ref", "").rpartition("/")[2], {}))["properties"]
        return [
            f"{place}: missing {name}; expected {allowed(parts[name], root)}"
            for name in error.validator_value
            if name not in error.instance
        ]
    if "propertyNames" in error.absolute_schema_path:
        place = f"{place}, a key"
    found = _said(error.instance) + _hint(error.instance)
    if error.schema.get("writeOnly"):
        found = "a text that is not shown, since it may hold a secret"
    return [f"{place}: expected {allowed(error.schema, root)}, found {found}"]


def _said(value: object) -> str:
    """Return a value as YAML would have it, where Python's word is another."""
    words = {"None": "null", "True": "true", "False": "false"}
    return words.get(quoted(value), quoted(value))


def _hint(value: object) -> str:
    if isinstance(value, bool):
        return " (YAML reads no, yes, on and off as true or false: put the word in quotes)"
    if isinstance(value, str) and value[:1].isdigit() and "e" in value.lower():
        return " (YAML reads 1e-6 as a text: write 1.0e-6)"
    return ""
