"""The shape of a fact as plain values, and what may never happen to a shape once it was released.

A shape says what goes over the wire and nothing else: two classes with the same shape are the same
contract, whatever they are called in Python. Shapes are what ``released.json`` keeps, what the payload
schemas of AsyncAPI are made of, and what one release is compared with the next by.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import Schema, fields, missing, validate

from contracts.envelope import Fact, Sealed, WholeNumber

Shape = dict[str, Any]

_KINDS: tuple[tuple[type[fields.Field[Any]], str], ...] = (
    (WholeNumber, "whole number"),
    (fields.UUID, "uuid"),
    (fields.Date, "date"),
    (fields.AwareDateTime, "moment"),
    (fields.Boolean, "yes or no"),
    (fields.String, "text"),
)

_JSON_SCHEMA: dict[str, dict[str, str]] = {
    "whole number": {"type": "integer"},
    "uuid": {"type": "string", "format": "uuid"},
    "date": {"type": "string", "format": "date"},
    "moment": {"type": "string", "format": "date-time"},
    "yes or no": {"type": "boolean"},
    "text": {"type": "string"},
    "sealed": {"type": "string", "contentEncoding": "base64"},
}


def shape_of(fact: type[Fact]) -> Shape:
    """What the fact looks like on the wire, and who must hear it."""
    return {"subscribers": sorted(fact.SUBSCRIBERS), "fields": fields_of(fact())}


def fields_of(schema: Schema) -> Shape:
    """The shape of each field of a schema."""
    return {name: _shape_of_field(field) for name, field in schema.fields.items()}


def _shape_of_field(field: fields.Field[Any]) -> Shape:
    shape: Shape = {"kind": "", "required": field.required, "nullable": field.allow_none}
    if isinstance(field, Sealed):
        shape |= {"kind": "sealed", "to": field.to, "part": field.part.__name__}
        shape["fields"] = fields_of(field.part())
    elif isinstance(field, fields.Nested):
        shape |= {"kind": type(field.schema).__name__, "fields": fields_of(field.schema)}
    elif isinstance(field, fields.List):
        shape |= {"kind": "list", "items": _shape_of_field(field.inner)}
    else:
        shape["kind"] = _kind_of(field)
    if field.load_default is not missing:
        shape["default"] = field.load_default
    return shape | _limits_of(field)


def _kind_of(field: fields.Field[Any]) -> str:
    for kind, word in _KINDS:
        if isinstance(field, kind):
            return word
    raise TypeError(f"{type(field).__name__} has no place in a contract yet: add it to contracts/shapes.py")


def _limits_of(field: fields.Field[Any]) -> Shape:
    limits: Shape = {}
    for validator in field.validators:
        if isinstance(validator, validate.OneOf):
            limits["values"] = sorted(map(str, validator.choices))
        elif isinstance(validator, validate.Length):
            limits["length"] = [validator.min, validator.max]
        elif isinstance(validator, validate.Range):
            limits["range"] = [validator.min, validator.max]
        else:
            raise TypeError(
                f"{type(validator).__name__} cannot be written down as a limit: use OneOf, Length or Range, "
                "or teach contracts/shapes.py to describe it"
            )
    return limits


def json_schema(shapes: Mapping[str, Shape], descriptions: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The JSON schema of an object with these fields."""
    properties = {name: _json_schema_of_field(shape) for name, shape in shapes.items()}
    for name, description in (descriptions or {}).items():
        if name in properties:
            properties[name]["description"] = description
    return {
        "type": "object",
        "required": [name for name, shape in shapes.items() if shape["required"]],
        "properties": properties,
    }


def _json_schema_of_field(shape: Shape) -> dict[str, Any]:
    if shape["kind"] == "list":
        schema: dict[str, Any] = {"type": "array", "items": _json_schema_of_field(shape["items"])}
    elif shape["kind"] in _JSON_SCHEMA:
        schema = dict(_JSON_SCHEMA[shape["kind"]])
    else:
        schema = json_schema(shape["fields"])
    if shape["kind"] == "sealed":
        schema["x-sealed-to"] = shape["to"]
        schema["x-sealed-part"] = json_schema(shape["fields"])
    if shape["nullable"]:
        schema["type"] = [schema["type"], "null"]
    return schema | _json_schema_of_limits(shape)


def _json_schema_of_limits(shape: Shape) -> dict[str, Any]:
    ends = {"range": ("minimum", "maximum"), "length": ("minLength", "maxLength")}
    if shape["kind"] == "list":
        ends["length"] = ("minItems", "maxItems")
    schema = {
        word: end
        for limit, words in ends.items()
        for word, end in zip(words, shape.get(limit, ()), strict=False)
        if end is not None
    }
    return schema | ({"enum": shape["values"]} if "values" in shape else {})


def breaking_changes(old: Mapping[str, Shape], new: Mapping[str, Shape]) -> list[str]:
    """What somebody who relies on the old shapes would trip over, each with what to do instead.

    Readers check what they read, so a wider limit breaks the readers of yesterday just as a narrower one
    breaks the messages of yesterday. Only a new fact, a new subscriber and a new optional field are free.
    """
    return [message for type_ in old for message in _changes_of_fact(type_, old[type_], new.get(type_))]


def _changes_of_fact(type_: str, old: Shape, new: Shape | None) -> Iterator[str]:
    if new is None:
        yield (
            f"{type_} was removed. Put the class back; it goes when no queue binds the key any more, and "
            "then its entry is taken out of contracts/released.json by hand."
        )
        return
    for lost in sorted(set(old["subscribers"]) - set(new["subscribers"])):
        yield (
            f"{type_} is no longer heard by {lost}, whose queue is still bound to the key. Put {lost} back "
            "in SUBSCRIBERS; when the binding is gone, take it out of contracts/released.json by hand."
        )
    advice = f"Leave the released class alone and add {_next_class(type_)} beside it."
    for what in _changes_of_fields("", old["fields"], new["fields"]):
        yield f"{type_}: {what}. {advice}"


def _next_class(type_: str) -> str:
    _, name, version = type_.split(".")
    words = "".join(word.capitalize() for word in name.split("_"))
    return f"{words}V{int(version.removeprefix('v')) + 1}"


def _changes_of_fields(path: str, old: Shape, new: Shape) -> Iterator[str]:
    for name in old:
        if name not in new:
            yield f"{path}{name} was removed, and readers need it"
        else:
            yield from _changes_of_field(path + name, old[name], new[name])
    for name in new:
        if name not in old and new[name]["required"]:
            yield f"{path}{name} is new and required, and messages on their way do not have it"


def _changes_of_field(name: str, old: Shape, new: Shape) -> Iterator[str]:
    if old["kind"] != new["kind"]:
        yield f"{name} was {old['kind']} and is {new['kind']}"
        return
    for word, consequence in (("required", "optional"), ("nullable", "never null")):
        if old[word] != new[word]:
            now = word if new[word] else consequence
            yield f"{name} became {now}, and not every reader or message on its way is ready for that"
    for limit in ("values", "range", "length", "to", "part", "default"):
        if old.get(limit) != new.get(limit):
            yield f"{name} had {limit} {_written(old.get(limit))} and has {_written(new.get(limit))}"
    if "items" in old:
        yield from _changes_of_field(f"{name}[]", old["items"], new["items"])
    if "fields" in old:
        yield from _changes_of_fields(f"{name}.", old["fields"], new["fields"])


def _written(limit: Any) -> str:
    return "none" if limit is None else json.dumps(limit)
