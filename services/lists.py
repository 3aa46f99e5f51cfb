"""The lists of a house file: which there are, and what may stand in an entry of each.

Whatever is not known here is refused: a slip of the pen must not become a setting without effect.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from chassis.house import Part
from contracts.envelope import WholeNumber

Entries = Sequence[Mapping[str, Any]]

_PENCE = "must be whole pence. Write £215.00 as 21500"
_PLACE = "must be a whole number from 1. Count the squares of the map from the top left"


def _text(**given: Any) -> fields.String:
    return fields.String(error_messages={"invalid": "must be text. Put it between double quotes"}, **given)


def _texts() -> fields.List[str]:
    return fields.List(
        _text(), error_messages={"invalid": 'must be a list. Write it like ["first", "second"]'}
    )


def _whole(least: int, words: str) -> WholeNumber:
    return WholeNumber(validate=validate.Range(min=least, error=words), error_messages={"invalid": words})


def _list_of(part: type[Part], *, required: bool = True) -> fields.List[Any]:
    missing = "is missing. Write at least one of its tables, with code and name"
    return fields.List(fields.Nested(part), required=required, error_messages={"required": missing})


class Entry(Part):
    """What every entry has; both are read by the chassis."""

    code = fields.Raw()
    name = fields.Raw()


class Area(Entry):
    #: Its square on the map.
    column = _whole(1, _PLACE)
    row = _whole(1, _PLACE)
    #: The identifiers of the bodies that serve it, for whoever reads the file.
    served_by = _texts()

    @validates_schema
    def _placed(self, area: Mapping[str, Any], **_: Any) -> None:
        for given, lacking in (("column", "row"), ("row", "column")):
            if given in area and lacking not in area:
                raise ValidationError(f"is missing. Write it beside {given}", lacking)


class Profession(Entry):
    plural = _text()


class ContactRole(Entry):
    #: In the middle of a sentence, of a letter as well: “the chief executive”.
    whom = _text()


class Closeness(Entry):
    meaning = _text()


class ExamStage(Entry):
    professions = _texts()


class Channel(Entry):
    code = fields.Raw(
        validate=validate.OneOf(
            ["email", "post"], error='is "{input}". Post travels as "email" or as "post" and no other way'
        )
    )


class Purpose(Entry):
    #: Who is paid for it.
    body = _text()
    #: What it usually costs.
    fee_pence = _whole(0, _PENCE)
    professions = _texts()


class Restriction(Entry):
    professions = _texts()
    purposes = _texts()


class WholeSystem(Entry):
    #: Other names of the same body.
    also = _texts()


class Stamp(Entry):
    pence = _whole(0, _PENCE)


class Lists(Part):
    """The lists that the services' pages and imports work with."""

    areas = _list_of(Area)
    professions = _list_of(Profession)
    kinds = _list_of(Entry)
    contact_roles = _list_of(ContactRole)
    closeness = _list_of(Closeness)
    needs = _list_of(Entry)
    languages = _list_of(Entry)
    exam_stages = _list_of(ExamStage)
    lawful_bases = _list_of(Entry)
    channels = _list_of(Channel)
    purposes = _list_of(Purpose)
    restrictions = _list_of(Restriction)
    whole_systems = _list_of(WholeSystem, required=False)
    postage = _list_of(Stamp, required=False)

    @validates_schema
    def _known(self, lists: Mapping[str, Entries], **_: Any) -> None:
        """What an entry names by code stands in the list of that name."""
        for place, named, code in _references(lists):
            if code not in {entry["code"] for entry in lists[named]}:
                words = f'names "{code}", which is not in lists.{named}. Correct it, or add it there'
                raise ValidationError(_at(place, named, words))

    @validates_schema
    def _side_by_side(self, lists: Mapping[str, Entries], **_: Any) -> None:
        """No area hides another one on the map."""
        taken: dict[tuple[int, int], str] = {}
        for number, area in enumerate(lists["areas"]):
            if "column" not in area:
                continue
            there = taken.setdefault((area["column"], area["row"]), area["code"])
            if there != area["code"]:
                words = f'and row are those of "{there}". Give each area a square of its own'
                raise ValidationError(_at(("areas", number), "column", words))


def _references(lists: Mapping[str, Entries]) -> Iterator[tuple[tuple[str, int], str, str]]:
    """Where a code is named, of which list, and the code: what is called like a list holds its codes."""
    for name, entries in lists.items():
        for number, entry in enumerate(entries):
            for named in sorted(entry.keys() & lists.keys()):
                yield from (((name, number), named, code) for code in entry[named])


def _at(place: tuple[str, int], word: str, words: str) -> dict[str, Any]:
    name, number = place
    return {name: {number: {word: [words]}}}
