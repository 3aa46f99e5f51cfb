"""The envelope every event travels in: CloudEvents 1.0, structured JSON, decoded strictly.

Writers validate before anything is stored; readers ignore fields they do not know. Numbers with a
fraction, NaN and Infinity are refused while the bytes are decoded, because money is whole pence and a
NaN passes every later comparison.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any, ClassVar
from uuid import UUID

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, validate

CONTENT_TYPE = "application/cloudevents+json"
SPEC_VERSION = "1.0"

_TRACEPARENT = re.compile(rb'"traceparent": ?"([^"\\]*)"')


class Undecodable(Exception):
    """The bytes are not an event that this reader can use.

    ``reason`` is one of a fixed set of words (safe for logs and metric labels); ``detail`` names the
    attribute at fault and never quotes a value.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class InvalidFact(ValueError):
    """A fact is about to be announced that its own contract refuses. Names the fields, quotes no value."""


class WholeNumber(fields.Field[int]):
    """An integer and nothing that merely looks like one: no float, no string, no boolean."""

    default_error_messages = {"invalid": "Not a whole number."}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.make_error("invalid")
        return value


class Money(Schema):
    """An amount in whole pence with its currency."""

    class Meta:
        unknown = EXCLUDE

    amount_pence = WholeNumber(required=True, validate=validate.Range(min=0, max=10**12))
    currency = fields.String(required=True, validate=validate.OneOf(["GBP"]))


def pounds_sterling(amount_pence: int) -> dict[str, int | str]:
    """The wire form of an amount, in pence."""
    return {"amount_pence": amount_pence, "currency": "GBP"}


class Sealed(fields.Field[str]):
    """A part that one service alone can read: a libsodium sealed box, base64.

    ``to`` is the service that holds the key; ``part`` is the schema of what is inside. ``None`` means that
    the part was scrubbed. One that came later to a fact is neither required nor missed.
    """

    default_error_messages = {"invalid": "Not a sealed part."}

    def __init__(self, *, to: str, part: type[Schema], **kwargs: Any) -> None:
        metadata = {"sealed_to": to, "sealed_part": part.__name__}
        super().__init__(**{"required": True, "allow_none": True, "metadata": metadata, **kwargs})
        self.to = to
        self.part = part
        #: Reads and writes what is inside; made once, because making it takes longer than using it.
        self.inside = part()

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str) or not value:
            raise self.make_error("invalid")
        return value


class Fact(Schema):
    """Something that happened in the world, in the past tense, in the field's own words.

    One subclass per (type, version). The docstring says what happened; ``SUBSCRIBERS`` names who must
    hear of it, and an empty tuple means that nobody is expected.
    """

    class Meta:
        unknown = EXCLUDE

    OWNER: ClassVar[str]
    NAME: ClassVar[str]
    VERSION: ClassVar[int] = 1
    SUBSCRIBERS: ClassVar[tuple[str, ...]]

    @classmethod
    def type(cls) -> str:
        """The wire type, which is the routing key as well: ``<owner>.<fact>.v<n>``."""
        return f"{cls.OWNER}.{cls.NAME}.v{cls.VERSION}"


@dataclass(frozen=True, kw_only=True)
class Event:
    """One fact on its way: which fact, about what, which version of it, and what caused it."""

    fact: type[Fact]
    id: UUID
    #: The aggregate the fact is about. Handlers of one batch run in the order of subjects.
    subject: str
    #: When it happened, UTC.
    time: datetime
    #: The validated values: UUID, date, int, str and lists of them.
    data: Mapping[str, Any]
    #: The aggregate's version after the fact, counted from 1.
    sequence: int
    #: Goes up when the owner was restored from a backup; versions compare as (epoch, sequence).
    epoch: int = 1
    correlationid: str = ""
    causationid: str = ""
    traceparent: str = ""
    #: A repetition of the present state for copies to be rebuilt from. Reactions never see one.
    snapshot: bool = False

    @property
    def version(self) -> tuple[int, int]:
        return (self.epoch, self.sequence)

    @property
    def state(self) -> dict[str, Any]:
        """What a copy is made of: the whole state of the aggregate, and which version of it this is."""
        return {**self.data, "epoch": self.epoch, "version": self.sequence}


def encode(event: Event) -> bytes:
    """The event as bytes, after its own contract has accepted the data.

    Raises:
        InvalidFact: when a field is missing, unknown or of the wrong kind.
    """
    document = _document(_schema(event.fact), event.data)
    attributes: dict[str, Any] = {
        "specversion": SPEC_VERSION,
        "id": str(event.id),
        "source": f"/conduit/{event.fact.OWNER}",
        "type": event.fact.type(),
        "subject": event.subject,
        "time": event.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "sequence": event.sequence,
        "epoch": event.epoch,
    }
    for name in ("correlationid", "causationid", "traceparent"):
        if value := getattr(event, name):
            attributes[name] = value
    if event.snapshot:
        attributes["snapshot"] = True
    return json.dumps({**attributes, "data": document}, ensure_ascii=False, separators=(",", ":")).encode()


def traceparent_in(body: bytes) -> str:
    """The trace context that an event of ours was encoded with; empty where it has none.

    It stands before the data, and within a text no quotation mark stands alone.
    """
    found = _TRACEPARENT.search(body)
    return found[1].decode() if found else ""


def _document(schema: Fact, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as JSON would bring them back, once the schema has accepted them."""
    try:
        written = json.dumps(schema.dump(values), allow_nan=False, ensure_ascii=False)
        document = _read_json(written.encode(), CONTENT_TYPE)
        schema.load(document, unknown=RAISE)
    except ValidationError as refused:
        raise InvalidFact(f"{schema.type()}: {_fields_at_fault(refused)}") from None
    except (AttributeError, TypeError, ValueError, Undecodable):
        raise InvalidFact(f"{schema.type()}: {_field_at_fault(schema, values)}") from None
    if unknown := sorted(values.keys() - schema.fields.keys()):
        names = ", ".join(unknown)
        raise InvalidFact(f"{schema.type()}: fields that the contract does not have: {names}")
    return document


def _field_at_fault(schema: Fact, values: Mapping[str, Any]) -> str:
    """The first field that cannot be written, or not be read again."""
    for name, field in schema.fields.items():
        try:
            written = json.dumps(field.serialize(name, values), allow_nan=False, ensure_ascii=False)
            _read_json(b'{"":%s}' % written.encode(), CONTENT_TYPE)
        except (AttributeError, TypeError, ValueError, Undecodable):
            return name
    return "data"


def decode(body: bytes, facts: Mapping[str, type[Fact]], *, content_type: str = CONTENT_TYPE) -> Event:
    """The event in these bytes, or :class:`Undecodable` with a reason that is safe to log.

    Args:
        body: the message exactly as it arrived.
        facts: the facts that the reader knows, by wire type.
        content_type: as the transport declared it; parameters such as ``charset=utf-8`` are allowed.
    """
    document = _read_json(body, content_type)
    attributes = _read_attributes(document)
    fact = facts.get(attributes["type"])
    if fact is None:
        raise Undecodable("unknown_type")
    if not isinstance(document.get("data"), dict):
        raise Undecodable("invalid_data", "data is not an object")
    try:
        values = _schema(fact).load(document["data"])
    except ValidationError as refused:
        raise Undecodable("invalid_data", _fields_at_fault(refused)) from None
    return Event(
        fact=fact,
        id=attributes["id"],
        subject=attributes["subject"],
        time=attributes["time"],
        data=values,
        sequence=attributes["sequence"],
        epoch=attributes["epoch"],
        correlationid=attributes["correlationid"],
        causationid=attributes["causationid"],
        traceparent=attributes["traceparent"],
        snapshot=attributes["snapshot"],
    )


@cache
def _schema(fact: type[Fact]) -> Fact:
    """One schema per fact: making one takes longer than using it."""
    return fact()


def _read_json(body: bytes, content_type: str) -> dict[str, Any]:
    kind, _, parameters = content_type.lower().partition(";")
    if kind.strip() != CONTENT_TYPE:
        raise Undecodable("unknown_content_type")
    if "charset" in parameters and "utf-8" not in parameters:
        raise Undecodable("wrong_charset")
    try:
        document = json.loads(body.decode("utf-8"), parse_float=_refuse, parse_constant=_refuse)
        storable = b"\\u" not in body or _storable(document)
    except UnicodeDecodeError:
        raise Undecodable("wrong_charset") from None
    except (ValueError, RecursionError):
        raise Undecodable("not_json") from None
    if not storable:
        raise Undecodable("invalid_text")
    if not isinstance(document, dict):
        raise Undecodable("not_an_event")
    return document


def _storable(value: Any) -> bool:
    """No NUL and no half of a surrogate pair: PostgreSQL refuses both, even in a row that parks the event."""
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, dict):
        return all(_storable(key) and _storable(entry) for key, entry in value.items())
    return all(map(_storable, value)) if isinstance(value, list) else True


def _refuse(number: str) -> None:
    raise Undecodable("invalid_number")


def _text(value: Any, *, least: int = 0, most: int = 100) -> str:
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise ValueError
    return value


def _number(value: Any, *, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError
    return value


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError
    return moment


def _spec_version(value: Any) -> str:
    if value != SPEC_VERSION:
        raise ValueError
    return SPEC_VERSION


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


#: The CloudEvents attributes that Conduit relies on, and how each is read. Plain functions, because a schema
#: took as long as everything else in reading an event.
_ATTRIBUTES: Mapping[str, Callable[[Any], Any]] = {
    "specversion": _spec_version,
    "id": lambda value: UUID(_text(value)),
    "source": partial(_text, most=2_000),
    "type": partial(_text, most=2_000),
    "subject": partial(_text, least=1, most=200),
    "time": _moment,
    "sequence": partial(_number, least=0, most=2**53),
    "epoch": partial(_number, least=1, most=2**31),
    "correlationid": _text,
    "causationid": _text,
    "traceparent": _text,
    "snapshot": _yes_or_no,
}
_MAY_BE_MISSING = {"epoch": 1, "correlationid": "", "causationid": "", "traceparent": "", "snapshot": False}


def _read_attributes(document: dict[str, Any]) -> dict[str, Any]:
    attributes: dict[str, Any] = dict(_MAY_BE_MISSING)
    at_fault = []
    for name, read in _ATTRIBUTES.items():
        if name in document:
            try:
                attributes[name] = read(document[name])
            except ValueError:
                at_fault.append(name)
        elif name not in _MAY_BE_MISSING:
            at_fault.append(name)
    if at_fault:
        raise Undecodable("not_an_event", ", ".join(sorted(at_fault)))
    return attributes


def _fields_at_fault(refused: ValidationError) -> str:
    """The names of the fields, without the messages: a marshmallow message may quote what it refused."""
    messages = refused.messages
    return ", ".join(sorted(map(str, messages))) if isinstance(messages, dict) else "data"
