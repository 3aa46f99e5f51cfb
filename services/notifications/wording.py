"""The words of letters as templates: fields in braces, simple conditions, and nothing that could run.

``{contact_name}`` is filled in. Between ``{if areas}`` and ``{end}`` stands what is said only where the field
says something; after ``{else}``, what is said instead. Conditions do not stand inside one another. Pure: no
clock, no database, no network and no library of pages is known here.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

from services.notifications.domain import NotificationsError


class UnknownField(NotificationsError, LookupError):
    """The template names a merge field that has no value."""


#: Every field that a template may name, with what it becomes.
MERGE_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "contact_name": "the person we write to",
        "contact_role": "their role, such as Chief executive",
        "body_name": "the organisation they work for",
        "areas": "the areas it serves, such as Sutton and Merton",
        "registered": "how many registered people live there; 1 to 4 becomes “fewer than five”",
        "profession_plural": "the campaign's profession, such as dentists",
        "ask": "the sum we ask for, such as £3,400",
        "evidence_date": "the day on which they were counted",
        "evidence_source": "where the count comes from",
        "fund": "what the money is for, such as training scheme",
        "response_url": "the letter's own page, where it can be answered",
        "signatory_name": "who signs",
        "signatory_position": "the position of whoever signs",
        "house_name": "our full name",
        "house_short_name": "our short name, as used in a sentence",
        "house_telephone": "our telephone number",
        "house_email": "our e-mail address",
    }
)

#: What says nothing in a campaign that asks for no money.
ONLY_WITH_AN_ASK = frozenset(
    {"registered", "profession_plural", "ask", "evidence_date", "evidence_source", "fund"}
)

#: What stands in a letter for a value that is missing, so that it is seen. A condition takes it as empty.
MISSING = "?"

_FIELD = re.compile(r"\{([a-z_]+)\}")
_BRACE = re.compile(r"\{[^{}\n]*\}|[{}]")
_IF = re.compile(r"\{if ([a-z_]+)\}")
#: A part of a condition; alone on its line, it takes the line with it.
_MARK = re.compile(
    r"^[ \t]*(\{(?:if [a-z_]+|else|end)\})[ \t]*\r?\n|(\{(?:if [a-z_]+|else|end)\})", re.MULTILINE
)
_GAP = re.compile(r"\n(?:[ \t]*\r?\n){2,}")


@dataclass(frozen=True)
class TemplateFault:
    """One thing to mend in a template, and where."""

    #: "subject" or "body".
    part: str
    #: Both start at 1.
    line: int
    column: int
    words: str

    @property
    def place(self) -> str:
        return f"Line {self.line}, character {self.column}."


def fields_for(*, asks: bool) -> Mapping[str, str]:
    """The fields that a campaign can fill in, with or without an ask."""
    return {name: said for name, said in MERGE_FIELDS.items() if asks or name not in ONLY_WITH_AN_ASK}


def check_template(body: str, subject: str, known: Collection[str] = MERGE_FIELDS) -> list[TemplateFault]:
    """Return what has to be mended before a letter can be made, the subject first; empty means sound.

    Args:
        known: the fields that have a value.
    """
    faults = [*_Reader("subject", subject, known).faults(), *_Reader("body", body, known).faults()]
    if "\n" in subject.strip() or "\r" in subject.strip():
        faults.insert(0, TemplateFault("subject", 1, 1, "The subject must be one line."))
    for part, text in (("subject", subject), ("body", body)):
        if not text.strip():
            faults.append(TemplateFault(part, 1, 1, f"The {part} is empty."))
    return faults


class _Reader:
    """Goes through one template from brace to brace and knows in which condition it stands."""

    def __init__(self, part: str, text: str, known: Collection[str]) -> None:
        self._part, self._text, self._known = part, text, known
        #: Where the condition began that is open, and whether its {else} has come.
        self._open: int | None = None
        self._otherwise = False

    def faults(self) -> Iterator[TemplateFault]:
        for match in _BRACE.finditer(self._text):
            for words in filter(None, self._look(match.group(), match.start())):
                yield self._at(match.start(), words)
        if self._open is not None:
            yield self._at(self._open, "This condition never ends. Write {end} after what depends on it.")

    def _look(self, found: str, place: int) -> Iterator[str | None]:
        """What is wrong with one thing in braces; it may be wrong where it stands and in itself."""
        if found == "{else}":
            yield self._else()
        elif found == "{end}":
            yield self._end()
        elif found.startswith("{if ") or found == "{if}":
            yield self._begin(place)
            condition = _IF.fullmatch(found)
            yield (
                self._field(condition[1])
                if condition
                else "Write a condition as {if areas}: one field, no more."
            )
        else:
            yield self._value(found)

    def _begin(self, place: int) -> str | None:
        if self._open is not None:
            line = self._line(self._open)
            return f"A condition cannot stand inside another. Write {{end}} for the one of line {line} first."
        self._open, self._otherwise = place, False
        return None

    def _else(self) -> str | None:
        if self._open is None:
            return "Nothing stands before this {else}. Begin with a condition, such as {if areas}."
        if self._otherwise:
            return "This condition has an {else} already."
        self._otherwise = True
        return None

    def _end(self) -> str | None:
        if self._open is None:
            return "This {end} ends nothing. Begin with a condition, such as {if areas}."
        self._open = None
        return None

    def _value(self, found: str) -> str | None:
        if found == "{":
            return "This brace is never closed. Write a field as {contact_name}."
        if found == "}":
            return "This brace closes nothing. Write a field as {contact_name}."
        return self._field(found[1:-1])

    def _field(self, name: str) -> str | None:
        if name in self._known:
            return None
        if name in MERGE_FIELDS:
            return f"This campaign asks for no money, so there is nothing for {{{name}}}."
        near = get_close_matches(name.strip().lower().replace(" ", "_"), self._known, n=1)
        return f"There is no field {{{name[:58]}}}." + (f" Did you mean {{{near[0]}}}?" if near else "")

    def _line(self, place: int) -> int:
        return self._text.count("\n", 0, place) + 1

    def _at(self, place: int, words: str) -> TemplateFault:
        return TemplateFault(self._part, self._line(place), place - self._text.rfind("\n", 0, place), words)


def merge(template: str, values: Mapping[str, str]) -> str:
    """Put the values into a sound template, once: braces inside a value stay what they are."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise UnknownField(f"There is no value for the field {{{match[1]}}}.")
        return values[match[1]]

    return _FIELD.sub(value, _decided(template, values))


def _decided(template: str, values: Mapping[str, str]) -> str:
    """The template with its conditions decided; a part that is not said leaves no gap."""
    if not _MARK.search(template):
        return template
    parts, said, after = list[str](), True, 0
    condition = False
    for match in _MARK.finditer(template):
        if said:
            parts.append(template[after : match.start()])
        after = match.end()
        mark = match[1] or match[2]
        if mark == "{else}":
            said = not condition
        elif mark == "{end}":
            said = True
        else:
            said = condition = _says_something(mark[4:-1], values)
    return _GAP.sub("\n\n", "".join([*parts, template[after:]]))


def _says_something(name: str, values: Mapping[str, str]) -> bool:
    if name not in values:
        raise UnknownField(f"There is no value for the field {{{name}}}.")
    return values[name].strip() not in ("", MISSING)
