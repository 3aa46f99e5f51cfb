"""Readers of an earlier release, made from the shapes that were kept: they take what its code took."""

from typing import Any

from marshmallow import EXCLUDE, Schema, fields, missing, validate

from contracts.envelope import Fact, Sealed, WholeNumber
from contracts.shapes import Shape

_PLAIN: dict[str, type[fields.Field[Any]]] = {
    "whole number": WholeNumber,
    "uuid": fields.UUID,
    "date": fields.Date,
    "moment": fields.AwareDateTime,
    "yes or no": fields.Boolean,
    "text": fields.String,
}


def reader(type_: str, shape: Shape) -> type[Fact]:
    """The class of that day for a fact; decoding by it refuses what its code refused."""
    owner, name, version = type_.split(".")
    known = {"OWNER": owner, "NAME": name, "VERSION": int(version.removeprefix("v"))}
    return type(name, (Fact,), known | _fields(shape["fields"]))


def _fields(shapes: dict[str, Shape]) -> dict[str, fields.Field[Any]]:
    return {name: _field(shape) for name, shape in shapes.items()}


def _field(shape: Shape) -> fields.Field[Any]:
    more: dict[str, Any] = {"required": shape["required"], "allow_none": shape["nullable"]}
    more |= {"load_default": shape.get("default", missing), "validate": _limits(shape)}
    if shape["kind"] == "sealed":
        return Sealed(to=shape["to"], part=_part(shape), **more)
    if shape["kind"] == "list":
        return fields.List(_field(shape["items"]), **more)
    if shape["kind"] in _PLAIN:
        return _PLAIN[shape["kind"]](**more)
    return fields.Nested(_part(shape), unknown=EXCLUDE, **more)


def _part(shape: Shape) -> type[Schema]:
    return Schema.from_dict(dict(_fields(shape["fields"])), name=str(shape.get("part", shape["kind"])))


def _limits(shape: Shape) -> list[validate.Validator]:
    limits: list[validate.Validator] = []
    if "values" in shape:
        limits.append(validate.OneOf(shape["values"]))
    if "length" in shape:
        limits.append(validate.Length(*shape["length"]))
    if "range" in shape:
        limits.append(validate.Range(*shape["range"]))
    return limits
