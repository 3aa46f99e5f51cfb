"""The envelope: CloudEvents 1.0 as others read it, strict about what comes in, silent about what it held."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import fields

from contracts.catalogue import FACTS, facts_for, sample, sample_file
from contracts.envelope import Event, Fact, InvalidFact, Undecodable, WholeNumber, decode, encode
from contracts.grants import RegistrationsCounted
from contracts.notifications import ContributionPledged, LetterSent
from contracts.topology import GRANTS

MARKER = "Nana-Kvaratskhelia-020-7946-0123"

COUNTED = RegistrationsCounted.type()


def document(fact: type[Fact] = RegistrationsCounted) -> dict[str, Any]:
    """A good event to spoil."""
    loaded: dict[str, Any] = json.loads(sample_file(fact).read_bytes())
    return loaded


def spoilt(where: str, value: Any, fact: type[Fact] = RegistrationsCounted) -> bytes:
    """A good event with one value replaced; ``where`` is dotted."""
    event = document(fact)
    *path, last = where.split(".")
    target = event
    for step in path:
        target = target[step]
    target[last] = value
    return json.dumps(event).encode()


def refusal(body: bytes, **how: str) -> Undecodable:
    """What the reader says about these bytes."""
    with pytest.raises(Undecodable) as refused:
        decode(body, FACTS, **how)
    return refused.value


@pytest.mark.parametrize("fact", FACTS.values(), ids=FACTS)
def test_the_cloudevents_library_reads_what_we_write(fact: type[Fact]) -> None:
    ours = sample(fact)
    theirs = JSONFormat().read(None, encode(ours))

    assert isinstance(theirs, CloudEvent)
    assert theirs.get_specversion() == "1.0"
    assert theirs.get_id() == str(ours.id)
    assert theirs.get_source() == f"/conduit/{fact.OWNER}"
    assert theirs.get_type() == fact.type()
    assert theirs.get_subject() == ours.subject
    assert theirs.get_time() == ours.time
    assert theirs.get_datacontenttype() == "application/json"
    assert theirs.get_extension("sequence") == ours.sequence
    assert theirs.get_data() == document(fact)["data"]


@pytest.mark.parametrize("fact", FACTS.values(), ids=FACTS)
def test_we_read_what_the_cloudevents_library_writes(fact: type[Fact]) -> None:
    event = document(fact)
    values = event.pop("data")
    event["time"] = datetime.fromisoformat(event["time"])

    assert decode(JSONFormat().write(CloudEvent(event, values)), FACTS) == sample(fact)


def test_every_attribute_survives_the_journey() -> None:
    event = Event(
        fact=RegistrationsCounted,
        id=UUID("0134c1e9-0100-7087-88d1-2e6b76c84d11"),
        subject="E09000020/dentist",
        time=datetime(2012, 1, 31, 23, 0, 0, 5, tzinfo=UTC),
        data=sample(RegistrationsCounted).data,
        sequence=7,
        epoch=2,
        correlationid="a",
        causationid="b",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        snapshot=True,
    )
    assert decode(encode(event), FACTS) == event
    assert event.version == (2, 7)


def test_another_time_zone_goes_out_as_utc() -> None:
    ours = sample(RegistrationsCounted)
    there = ours.time.astimezone(timezone(timedelta(hours=5, minutes=30)))
    moved = Event(**{**vars(ours), "time": there})

    assert json.loads(encode(moved))["time"] == document()["time"]


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (b"NaN", "invalid_number"),
        (b"Infinity", "invalid_number"),
        (b"-Infinity", "invalid_number"),
        (b"74.0", "invalid_number"),
        (b"7.4e1", "invalid_number"),
        (b"74E0", "invalid_number"),
        (b"true", "invalid_data"),
        (b'"74"', "invalid_data"),
        (b"null", "invalid_data"),
        (b"-1", "invalid_data"),
        (b"1" + b"0" * 30, "invalid_data"),
        (b"9" * 5_000, "not_json"),
    ],
)
def test_a_number_is_whole_and_within_its_range(number: bytes, reason: str) -> None:
    body = encode(sample(RegistrationsCounted))
    assert body.count(b":74,") == 1
    assert refusal(body.replace(b":74,", b":" + number + b",")).reason == reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b"not json", "not_json"),
        (b"{", "not_json"),
        (b'{"a":1}{"b":2}', "not_json"),
        (b"\xef\xbb\xbf{}", "not_json"),
        (b"[" * 100_000, "not_json"),
        (b'{"data":' * 100_000, "not_json"),
        (b"[" * 900 + b'"\\u0000"' + b"]" * 900, "not_json"),
        (b"\xff\xfe{\x00}\x00", "wrong_charset"),
        ("{“}".encode("cp1252"), "wrong_charset"),
        (b"[]", "not_an_event"),
        (b"null", "not_an_event"),
        (b"3", "not_an_event"),
        (b"{}", "not_an_event"),
        (b'{"__type__": "datetime", "__value__": "2012-01-31"}', "not_an_event"),
    ],
)
def test_bytes_that_are_no_event(body: bytes, reason: str) -> None:
    assert refusal(body).reason == reason


@pytest.mark.parametrize(
    ("content_type", "reason"),
    [
        ("application/json", "unknown_content_type"),
        ("application/x-python-serialize", "unknown_content_type"),
        ("application/cloudevents-batch+json", "unknown_content_type"),
        ("", "unknown_content_type"),
        ("application/cloudevents+json; charset=utf-16", "wrong_charset"),
        ("application/cloudevents+json; charset=latin-1", "wrong_charset"),
    ],
)
def test_a_content_type_that_is_not_ours(content_type: str, reason: str) -> None:
    assert refusal(encode(sample(RegistrationsCounted)), content_type=content_type).reason == reason


@pytest.mark.parametrize(
    "content_type",
    ["application/cloudevents+json; charset=utf-8", "Application/CloudEvents+JSON;charset=UTF-8"],
)
def test_a_content_type_may_name_utf_8(content_type: str) -> None:
    ours = sample(RegistrationsCounted)
    assert decode(encode(ours), FACTS, content_type=content_type) == ours


@pytest.mark.parametrize(
    ("where", "value", "reason", "detail"),
    [
        ("specversion", "0.3", "not_an_event", "specversion"),
        ("id", "7", "not_an_event", "id"),
        ("subject", "", "not_an_event", "subject"),
        ("subject", "x" * 201, "not_an_event", "subject"),
        ("time", "2012-01-31T23:00:00", "not_an_event", "time"),
        ("time", "yesterday", "not_an_event", "time"),
        ("sequence", "214", "not_an_event", "sequence"),
        ("sequence", True, "not_an_event", "sequence"),
        ("sequence", -1, "not_an_event", "sequence"),
        ("epoch", 0, "not_an_event", "epoch"),
        ("snapshot", "yes", "not_an_event", "snapshot"),
        ("type", 3, "not_an_event", "type"),
        ("type", "grants.nothing_happened.v1", "unknown_type", ""),
        ("data", None, "invalid_data", "data is not an object"),
        ("data", [], "invalid_data", "data is not an object"),
        ("data", {}, "invalid_data", "area, count, counted_on, profession"),
        ("data.area", "", "invalid_data", "area"),
        ("data.area", ["E09000020"], "invalid_data", "area"),
        ("data.counted_on", "31/01/2012", "invalid_data", "counted_on"),
        ("data.count", {"__type__": "decimal", "__value__": "74"}, "invalid_data", "count"),
    ],
)
def test_an_attribute_at_fault_is_named(where: str, value: Any, reason: str, detail: str) -> None:
    refused = refusal(spoilt(where, value))
    assert (refused.reason, refused.detail) == (reason, detail)


@pytest.mark.parametrize("attribute", ["specversion", "id", "source", "type", "subject", "time", "sequence"])
def test_an_attribute_that_is_missing_is_named(attribute: str) -> None:
    event = document()
    del event[attribute]
    refused = refusal(json.dumps(event).encode())
    assert (refused.reason, refused.detail) == ("not_an_event", attribute)


@pytest.mark.parametrize(
    "amount",
    [
        {"amount_pence": 370000, "currency": "EUR"},
        {"amount_pence": -1, "currency": "GBP"},
        {"amount_pence": True, "currency": "GBP"},
        {"amount_pence": "370000", "currency": "GBP"},
        {"amount_pence": 370000},
        370000,
        None,
    ],
)
def test_money_is_whole_pence_in_pounds_sterling(amount: Any) -> None:
    refused = refusal(spoilt("data.amount", amount, ContributionPledged))
    assert (refused.reason, refused.detail) == ("invalid_data", "amount")


def test_an_event_that_is_not_for_this_reader_is_unknown_to_it() -> None:
    with pytest.raises(Undecodable, match=r"^unknown_type$"):
        decode(encode(sample(RegistrationsCounted)), facts_for(GRANTS))


def test_a_reader_ignores_what_it_does_not_know_yet() -> None:
    event = document(LetterSent)
    event["futureattribute"] = "x"
    event["data"]["a_field_of_next_year"] = {"deep": [1]}
    event["data"]["ask"]["a_field_of_next_year"] = 1

    assert decode(json.dumps(event).encode(), FACTS) == sample(LetterSent)


def said(values: dict[str, Any], fact: type[Fact] = RegistrationsCounted) -> bytes:
    """The event that a writer would make of these values."""
    ours = sample(fact)
    return encode(Event(**{**vars(ours), "data": values}))


@pytest.mark.parametrize("count", [74.0, float("nan"), float("inf"), True, "74", -1, None])
def test_a_writer_refuses_what_no_reader_would_take(count: Any) -> None:
    with pytest.raises(InvalidFact, match=r"^grants\.registrations_counted\.v1: count$"):
        said({**sample(RegistrationsCounted).data, "count": count})


def test_a_writer_needs_every_field() -> None:
    with pytest.raises(InvalidFact, match=r": area, count, counted_on, profession$"):
        said({})


def test_a_writer_adds_no_field_by_itself() -> None:
    with pytest.raises(InvalidFact, match="fields that the contract does not have: reason"):
        said({**sample(RegistrationsCounted).data, "reason": "none"})


PLACES = [
    "id",
    "subject",
    "time",
    "sequence",
    "type",
    "data",
    *(f"data.{name}" for name in document()["data"]),
]

anything = st.recursive(
    st.sampled_from([MARKER, f"{MARKER}@x", f"2012-01-31 {MARKER}", MARKER * 30]),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(st.sampled_from([MARKER, "amount_pence", "__type__"]), inner, min_size=1)
    ),
    max_leaves=5,
)


@given(where=st.sampled_from(PLACES), value=anything)
def test_a_refusal_never_quotes_what_it_refused(where: str, value: Any) -> None:
    try:
        decode(spoilt(where, value), FACTS)
    except Undecodable as refused:
        assert MARKER not in str(refused) + refused.reason + refused.detail + repr(refused)
        assert refused.__cause__ is None
        assert refused.__suppress_context__ or refused.__context__ is None


@given(where=st.sampled_from(sorted(document()["data"])), value=anything | st.just(MARKER.encode()))
def test_a_writer_never_quotes_what_it_refused(where: str, value: Any) -> None:
    try:
        said({**sample(RegistrationsCounted).data, where: value})
    except InvalidFact as refused:
        assert MARKER not in str(refused)
        assert refused.__suppress_context__


@given(st.binary(max_size=200))
def test_any_bytes_at_all_are_an_event_or_undecodable(body: bytes) -> None:
    assert refusal(body).reason in {"not_json", "wrong_charset", "not_an_event", "invalid_number"}


def test_a_whole_number_is_nothing_that_looks_like_one() -> None:
    class Anything(Fact):
        """Only here."""

        OWNER, NAME, SUBSCRIBERS = GRANTS, "anything", ()
        number: fields.Field[int] = WholeNumber(required=True)

    for lookalike in (True, 1.0, "1", b"1", None, [1]):
        assert Anything().validate({"number": lookalike}) != {}
    assert Anything().load({"number": 1}) == {"number": 1}


@pytest.mark.parametrize("where", ["subject", "type", "data.area", "correlationid", "data.later", "later"])
@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", {"\0": 1}, [["\udfff"]]])
def test_a_reader_refuses_text_that_cannot_be_stored(where: str, text: Any) -> None:
    assert refusal(spoilt(where, text)).reason == "invalid_text"


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
def test_a_writer_refuses_text_that_cannot_be_stored(text: str) -> None:
    with pytest.raises(InvalidFact, match=r"^grants\.registrations_counted\.v1: area$"):
        said({**sample(RegistrationsCounted).data, "area": text})


def test_text_of_every_script_passes() -> None:
    text = "Zhāng \\u0000 \\ud83d Łódź \U0001f989 \u200b «é» \\"
    event = json.loads(spoilt("data.area", text))
    for ensure_ascii in (True, False):
        body = json.dumps(event, ensure_ascii=ensure_ascii).encode()
        assert decode(body, FACTS).data["area"] == text
    assert json.loads(said({**sample(RegistrationsCounted).data, "area": text}))["data"]["area"] == text
