"""A house file is read whole or refused with the key, the fault and the cure."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest
from marshmallow import fields

from chassis.house import Entry, HouseError, Part, Signatory, house_of, read_house, word_within

SOUND = """
name = "Rivières sans frontières"
short_name = "Rivières"
number = "1234567"
address = ["1 Quay Street", "London"]
telephone = "020 7946 0000"
email = "office@rivers.example"
website = "https://rivers.example"
complaints = "Write to us."

[[signatories]]
code = "chair"
name = "Ọláoyè Adéyẹmí"
position = "Chair"

[[lists.colours]]
code = "red"
name = "Red"
plural = "reds"

[[lists.colours]]
code = "blue"
name = "Blue"
"""


class Colour(Part):
    code = fields.Raw()
    name = fields.Raw()
    plural = fields.String(error_messages={"invalid": "must be text. Write a word"})


class Lists(Part):
    colours = fields.List(fields.Nested(Colour))
    shapes = fields.List(fields.Nested(Colour))


class ListsWithShapes(Lists):
    shapes = fields.List(
        fields.Nested(Colour), required=True, error_messages={"required": "is missing. Write one"}
    )


def _written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "house.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _refusal(tmp_path: Path, text: str, lists: type[Part] | None = None) -> HouseError:
    with pytest.raises(HouseError) as caught:
        read_house(_written(tmp_path, text), lists=lists)
    assert str(caught.value).startswith(f"{tmp_path / 'house.toml'}: {caught.value.key} ")
    assert caught.value.cure
    return caught.value


def test_a_sound_file_is_read_whole(tmp_path: Path) -> None:
    house = read_house(_written(tmp_path, SOUND), lists=Lists)
    assert house.name == "Rivières sans frontières"
    assert house.address == ("1 Quay Street", "London")
    assert house.signatories == {"chair": Signatory(code="chair", name="Ọláoyè Adéyẹmí", position="Chair")}
    assert list(house.lists["colours"].values()) == [
        Entry(code="red", name="Red", attributes={"plural": "reds"}),
        Entry(code="blue", name="Blue"),
    ]
    assert house.unfinished == ()


def test_under_which_names_a_house_publishes_may_be_left_out(tmp_path: Path) -> None:
    house = read_house(_written(tmp_path, SOUND))
    assert (house.identifier, house.publisher) == ("", "")
    said = 'identifier = "GB-CHC-1234567"\npublisher = "rivers"\n'
    house = read_house(_written(tmp_path, said + SOUND))
    assert (house.identifier, house.publisher) == ("GB-CHC-1234567", "rivers")
    assert _refusal(tmp_path, 'publisher = ""\n' + SOUND).key == "publisher"


def test_a_house_cannot_be_changed(tmp_path: Path) -> None:
    house = read_house(_written(tmp_path, SOUND))
    with pytest.raises(FrozenInstanceError):
        house.name = "Another"  # type: ignore[misc]


def test_a_byte_order_mark_is_let_pass(tmp_path: Path) -> None:
    path = tmp_path / "house.toml"
    path.write_bytes(b"\xef\xbb\xbf" + SOUND.encode())
    assert read_house(path).short_name == "Rivières"


@pytest.mark.parametrize(
    ("before", "after", "key", "fault"),
    [
        ('number = "1234567"\n', "", "number", "is missing"),
        ('number = "1234567"', "number = 1234567", "number", "is a number and must be text"),
        ('number = "1234567"', "number = true", "number", "is true or false and must be text"),
        ('number = "1234567"', "number = 2012-02-06", "number", "is a date or time and must be text"),
        ('short_name = "Rivières"', 'short_name = "  "', "short_name", "is empty"),
        (
            'name = "Rivières sans frontières"',
            'name = "Rivières\\nBcc: all"',
            "name",
            "holds a line break or another control character",
        ),
        ('address = ["1 Quay Street", "London"]', "address = []", "address", "is empty"),
        (
            'address = ["1 Quay Street", "London"]',
            'address = "London"',
            "address",
            "is text and must be a list of lines",
        ),
        ('"London"]', "7]", "address[2]", "is a number and must be text"),
        ("office@rivers.example", "office at rivers", "email", 'is "office at rivers"'),
        ('position = "Chair"\n', "", "signatories[1].position", "is missing"),
        ("[[signatories]]", "[[signers]]", "signers", "is not known here"),
        ('position = "Chair"', 'position = "Chair"\nage = 60', "signatories[1].age", "is not known here"),
        ('website = "https://rivers.example"', 'website = "x"', "website", 'is "x"'),
        ("[[lists.colours]]", "[[lists.colors]]", "lists.colors", "is not known here"),
        ('plural = "reds"', 'plurals = "reds"', "lists.colours[1].plurals", "is not known here"),
        ('plural = "reds"', "plural = 2", "lists.colours[1].plural", "must be text"),
        (
            '[[lists.colours]]\ncode = "blue"',
            '[[lists.colours]]\ncode = "red"',
            "lists.colours[2].code",
            'is "red"',
        ),
        ('code = "blue"', 'code = "sky blue"', "lists.colours[2].code", 'is "sky blue"'),
        ('code = "blue"\n', "", "lists.colours[2].code", "is missing"),
        ('name = "Blue"', "name = []", "lists.colours[2].name", "is a list and must be text"),
    ],
)
def test_a_fault_is_named_with_its_key(tmp_path: Path, before: str, after: str, key: str, fault: str) -> None:
    assert before in SOUND
    refusal = _refusal(tmp_path, SOUND.replace(before, after, 1), Lists)
    assert refusal.key == key
    assert refusal.fault.startswith(fault)


def test_a_list_that_is_required_must_be_there_and_hold_something(tmp_path: Path) -> None:
    missing = _refusal(tmp_path, SOUND, ListsWithShapes)
    assert (missing.key, missing.fault) == ("lists.shapes", "is missing")
    table = _refusal(tmp_path, SOUND + '\n[lists.shapes]\ncode = "round"\n')
    assert (table.key, table.fault) == ("lists.shapes", "is a table and must be a list of tables")


def test_an_empty_list_and_an_entry_that_is_no_table_are_named(tmp_path: Path) -> None:
    head = SOUND.split("[[lists.colours]]", maxsplit=1)[0]
    empty = _refusal(tmp_path, head + "[lists]\nshapes = []\n")
    assert (empty.key, empty.fault) == ("lists.shapes", "is empty")
    plain = _refusal(tmp_path, head + '[lists]\nshapes = ["round"]\n')
    assert (plain.key, plain.fault) == ("lists.shapes[1]", "is text and must be a table")
    no_lists = _refusal(tmp_path, "lists = 3\n" + head)
    assert (no_lists.key, no_lists.fault) == ("lists", "is a number")


def test_a_file_that_is_no_house_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HouseError, match="is not there"):
        read_house(tmp_path / "nowhere.toml")
    with pytest.raises(HouseError, match="cannot be read"):
        read_house(tmp_path)
    assert _refusal(tmp_path, "name = ").fault.startswith("is not valid TOML")
    (tmp_path / "house.toml").write_bytes('name = "Rivières"'.encode("utf-16"))
    with pytest.raises(HouseError, match="is not UTF-8 text"):
        read_house(tmp_path / "house.toml")


def test_what_is_not_filled_in_is_shown_to_nobody_and_who_wants_to_reach_us_writes() -> None:
    house = house_of(SOUND)
    assert (house.shown, house.to_reach) == (house, f"ring us on {house.telephone}")
    begun = replace(
        house, number="TO DO: number", telephone="TO DO: number", address=("TO DO: street", "London")
    )
    assert (begun.shown.number, begun.shown.telephone, begun.shown.address) == ("", "", ("London",))
    assert begun.to_reach == begun.shown.to_reach == f"write to {house.email}"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (Entry(code="it", name="Director", attributes={"whom": "the director"}), "the director"),
        (Entry(code="it", name="Dental care"), "dental care"),
        (Entry(code="it", name="GP"), "GP"),
        (Entry(code="other", name="Other"), "it"),
    ],
)
def test_what_a_code_is_called_within_a_sentence(entry: Entry, words: str) -> None:
    assert word_within({entry.code: entry}, "it") == words


def test_no_code_is_called_nothing() -> None:
    assert word_within({}, None) == ""
