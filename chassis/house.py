"""The house file: the body that runs this instance, and the lists that it works with.

What differs from one body to the next (its name, who signs, the areas it serves, every list of
codes) is data in a TOML file, not code. This module checks the file and hands it over frozen. It
refuses to know what any list is for: those who need lists give the schema of them, and ask for each by name.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from marshmallow import Schema, ValidationError

from chassis.errors import ChassisError
from chassis.writing import can_be_seen, is_web_address, mailable

UNFINISHED = "TO DO"


class HouseError(ChassisError):
    """The house file cannot be used; says which key, what is wrong there, and what to do about it."""

    def __init__(self, key: str, fault: str, cure: str, *, path: Path | str | None = None) -> None:
        self.key = key
        self.fault = fault
        self.cure = cure
        self.path = path
        place = f"{path}: {key}" if path is not None else key
        super().__init__(f"{place} {fault}. {cure}")


@dataclass(frozen=True, kw_only=True)
class Signatory:
    """A person whose name may stand under what the body sends."""

    code: str
    name: str
    position: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of a list: a code for files and tables, a name for people."""

    code: str
    name: str
    #: Whatever else the file says of it, as TOML gave it (a plural, a place on a map).
    attributes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class House:
    """The body that runs this instance, as its house file describes it."""

    name: str
    short_name: str
    #: The number in the public register, as it is printed.
    number: str
    #: The lines of the postal address, in order.
    address: tuple[str, ...]
    telephone: str
    email: str
    website: str
    #: One sentence that says how to complain.
    complaints: str
    #: Its number in a public register as an org-id, such as ``GB-CHC-1234567``, and what a catalogue of open
    #: data knows it by; empty where it has none.
    identifier: str
    publisher: str
    #: By code, in the order of the file.
    signatories: Mapping[str, Signatory]
    #: List name, then code, to entry; both in the order of the file.
    lists: Mapping[str, Mapping[str, Entry]]

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The keys that a starter file left to be filled in; what is printed would show them."""
        values = {key: (getattr(self, key),) for key in TEXTS} | {"address": self.address}
        values["signatories"] = tuple(
            text for person in self.signatories.values() for text in (person.name, person.position)
        )
        return tuple(key for key, texts in values.items() if not all(map(is_filled_in, texts)))

    @property
    def shown(self) -> House:
        """The same without what is not filled in: what pages and whatever is published may show of it."""
        gaps: dict[str, Any] = {key: "" for key in TEXTS if not is_filled_in(getattr(self, key))}
        return replace(self, **gaps, address=tuple(filter(is_filled_in, self.address)))

    @property
    def to_reach(self) -> str:
        """What to do to reach us: ``ring us on 020 7946 0001``; by e-mail while no number is filled in."""
        telephone = self.shown.telephone
        return f"ring us on {telephone}" if telephone else f"write to {self.email}"

    def left_to_do(self, path: Path | str) -> str:
        """What is still to be filled in, in words; empty where nothing is. `path` is where it was read."""
        return f"still TO DO in {path}: {', '.join(self.unfinished)}" if self.unfinished else ""


def is_filled_in(text: str) -> bool:
    """Whether a text of the house is one's own, and not what a starter file put there."""
    return not text.startswith(UNFINISHED)


def word(entries: Mapping[str, Entry], code: str | None) -> str:
    """What a code of a list is called; the code itself where the house does not list it any more."""
    return entries[code].name if code and code in entries else code or ""


def word_within(entries: Mapping[str, Entry], code: str | None) -> str:
    """What a code is called in the middle of a sentence.

    The file may say it (``whom = "the director"``), because no rule tells a person from a matter. Otherwise
    it is its name, begun small unless that is an abbreviation.
    """
    name = word(entries, code)
    if not code or code not in entries:
        return name
    lowered = name if name[:2].isupper() else name[:1].lower() + name[1:]
    return str(entries[code].attributes.get("whom", lowered))


def words(entries: Mapping[str, Entry], codes: Iterable[str]) -> list[str]:
    """What several codes are called."""
    return [word(entries, code) for code in codes]


TEXTS = ("name", "short_name", "number", "telephone", "email", "website", "complaints")
_PUBLISHING = ("identifier", "publisher")
_KEYS = (*TEXTS, *_PUBLISHING, "address", "signatories", "lists")


class Part(Schema):
    """A table of a house file: what is not in its schema is refused. Messages are a fault and its cure, as in
    ``must be text. Put it between double quotes``.
    """

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.error_messages["unknown"] = ". ".join(_not_known(self.fields))


def read_house(path: Path | str, *, lists: type[Part] | None = None) -> House:
    """Read and check a house file; `lists` says what may be in its lists. Raises HouseError."""
    try:
        return house_of(_written(Path(path)), lists=lists)
    except HouseError as error:
        raise HouseError(error.key, error.fault, error.cure, path=path) from None


def house_of(text: str, *, lists: type[Part] | None = None) -> House:
    """The house that a text in TOML describes, checked as a file is. Raises HouseError."""
    try:
        return _house(tomllib.loads(text), lists)
    except tomllib.TOMLDecodeError as error:
        raise HouseError("the file", f"is not valid TOML ({error})", "Correct it at that line") from None


def _written(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise HouseError(
            "the file", "is not there", "Give the path of a house file, or start an empty one"
        ) from None
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise HouseError(
            "the file", f"cannot be read ({reason})", "Make it a file that we may read"
        ) from None
    except UnicodeDecodeError:
        raise HouseError("the file", "is not UTF-8 text", "Save it again as UTF-8") from None


def _house(parsed: Mapping[str, Any], lists: type[Part] | None) -> House:
    _refuse_others(parsed, _KEYS)
    texts = {key: _text(parsed, key, key) for key in TEXTS}
    texts |= {key: _text(parsed, key, key) if key in parsed else "" for key in _PUBLISHING}
    _address("email", texts["email"])
    _website("website", texts["website"])
    return House(
        **texts,
        address=_lines(parsed, "address"),
        signatories=_signatories(parsed),
        lists=_lists(parsed, lists),
    )


def _refuse_others(table: Mapping[str, Any], known: Collection[str], place: str = "") -> None:
    """A key that is not known would have no effect, and nobody would learn why."""
    for key in table:
        if key not in known:
            raise HouseError(f"{place}{key}", *_not_known(known))


def _not_known(known: Collection[str]) -> tuple[str, str]:
    return "is not known here", f"Take it out, or correct it to one of: {', '.join(known)}"


def _signatories(parsed: Mapping[str, Any]) -> dict[str, Signatory]:
    people: dict[str, Signatory] = {}
    for key, table in _tables(parsed, "signatories", "signatories"):
        _refuse_others(table, ("code", "name", "position"), f"{key}.")
        code = _code(table, key, people)
        name = _text(table, "name", f"{key}.name")
        people[code] = Signatory(code=code, name=name, position=_text(table, "position", f"{key}.position"))
    return people


def _lists(parsed: Mapping[str, Any], schema: type[Part] | None) -> dict[str, dict[str, Entry]]:
    tables = _required(parsed, "lists", "lists", "Write each list as [[lists.…]] tables")
    if not isinstance(tables, dict):
        raise HouseError("lists", f"is {_kind(tables)}", "Write each list as [[lists.…]] tables")
    entries = {name: _entries(tables, name) for name in tables}
    if schema is not None:
        try:
            schema().load(tables)
        except ValidationError as error:
            raise _fault(error.messages, "lists") from None
    return entries


def _fault(messages: Any, key: str) -> HouseError:
    """The first fault that a schema has found; people count from one."""
    if not isinstance(messages, Mapping):
        fault, _, cure = messages[0].partition(". ")
        return HouseError(key, fault, cure)
    name, inner = next(iter(messages.items()))
    return _fault(inner, f"{key}[{name + 1}]" if isinstance(name, int) else f"{key}.{name}")


def _entries(tables: Mapping[str, Any], name: str) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for key, table in _tables(tables, name, f"lists.{name}"):
        code = _code(table, key, entries)
        attributes = {word: value for word, value in table.items() if word not in ("code", "name")}
        entries[code] = Entry(code=code, name=_text(table, "name", f"{key}.name"), attributes=attributes)
    return entries


def _tables(parent: Mapping[str, Any], word: str, key: str) -> list[tuple[str, Mapping[str, Any]]]:
    """The tables of an array, each with its place for messages; people count from one, and so do these."""
    cure = f"Write at least one [[{key}]] with code and name"
    tables = _required(parent, word, key, cure)
    if not isinstance(tables, list):
        raise HouseError(key, f"is {_kind(tables)} and must be a list of tables", cure)
    if not tables:
        raise HouseError(key, "is empty", cure)
    for number, table in enumerate(tables, 1):
        if not isinstance(table, dict):
            raise HouseError(f"{key}[{number}]", f"is {_kind(table)} and must be a table", cure)
    return [(f"{key}[{number}]", table) for number, table in enumerate(tables, 1)]


def _code(table: Mapping[str, Any], key: str, taken: Mapping[str, object]) -> str:
    code = _text(table, "code", f"{key}.code")
    if code != code.strip() or any(sign in code for sign in ";, "):
        raise HouseError(f"{key}.code", f'is "{code}"', "Leave out spaces, commas and semicolons")
    if code in taken:
        raise HouseError(
            f"{key}.code", f'is "{code}", which stands there already', "Give each entry a code of its own"
        )
    return code


def _lines(parsed: Mapping[str, Any], key: str) -> tuple[str, ...]:
    cure = f'Write {key} = ["first line", "second line"]'
    lines = _required(parsed, key, key, cure)
    if not isinstance(lines, list):
        raise HouseError(key, f"is {_kind(lines)} and must be a list of lines", cure)
    if not lines:
        raise HouseError(key, "is empty", cure)
    return tuple(_line(f"{key}[{number}]", line) for number, line in enumerate(lines, 1))


def _text(table: Mapping[str, Any], word: str, key: str) -> str:
    return _line(key, _required(table, word, key, f'Write {word} = "…"'))


def _required(table: Mapping[str, Any], word: str, key: str, cure: str) -> Any:
    if word not in table:
        raise HouseError(key, "is missing", cure)
    return table[word]


def _line(key: str, value: object) -> str:
    """One line of text; control characters are refused, because these texts end up in mail headers."""
    if not isinstance(value, str):
        raise HouseError(key, f"is {_kind(value)} and must be text", "Put it between double quotes")
    if not value.strip():
        raise HouseError(key, "is empty", "Write a text of at least one word")
    if not can_be_seen(value):
        raise HouseError(key, "holds a line break or another control character", "Write it as one plain line")
    return value


def _address(key: str, value: str) -> None:
    if not mailable(value):
        raise HouseError(key, f'is "{value}"', "Write one e-mail address, such as office@example.org")


def _website(key: str, value: str) -> None:
    whole = value if "://" in value else f"https://{value}"
    if not (value.startswith(UNFINISHED) or is_web_address(whole)):
        raise HouseError(key, f'is "{value}"', "Write it like https://www.body.example")


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, list):
        return "a list"
    return "a table" if isinstance(value, dict) else "a date or time"
