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
        "contact_role": "their role by the name it has in our list, such as Chief executive or Dental care",
        "contact_role_in_text": "their role within a sentence, such as the chief executive",
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

#: What becomes words of a sentence and no name: at the beginning of one, they begin with a capital letter.
_WORDS = frozenset(
    {
        *("registered", "profession_plural", "evidence_source", "fund", "house_short_name"),
        "contact_role_in_text",
    }
)

#: What people write for a field, where its own name is far from it.
_MEANT: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            ("name", "full_name", "first_name", "fname", "recipient", "addressee"), "contact_name"
        ),
        **dict.fromkeys(("role", "position", "title", "job_title"), "contact_role"),
        **dict.fromkeys(("organisation", "organization", "company", "body", "trust"), "body_name"),
        **dict.fromkeys(("link", "url", "page"), "response_url"),
        **dict.fromkeys(("amount", "sum"), "ask"),
    }
)

#: Addresses of pages. What follows one directly, mail programs take for a part of it.
_LINKS = frozenset({"response_url", "link"})
_CLOSES = re.compile(r"""[.,;:!?)\]>'"’”»…]""")

#: The value of a field that is missing, as it is kept. A condition takes it as empty.
MISSING = "?"
#: What is said for it. Only who looks at a letter reads it: one of which a value is missing does not go.
_UNKNOWN: Mapping[str, str] = MappingProxyType(
    {
        "registered": "an unknown number of",
        "ask": "a sum that is not known yet",
        "evidence_date": "a day that is not known yet",
    }
)

_FIELD = re.compile(r"\{([a-z_]+)\}")
_BRACE = re.compile(r"\{\{[^{}\n]*\}\}|\{[^{}\n]*\}|[{}]")
_IF = re.compile(r"\{if ([a-z_]+)\}")
#: A part of a condition; alone on its line, it takes the line with it.
_MARK = re.compile(
    r"^[ \t]*(\{(?:if [a-z_]+|else|end)\})[ \t]*\r?\n|(\{(?:if [a-z_]+|else|end)\})", re.MULTILINE
)
_GAP = re.compile(r"\n(?:[ \t]*\r?\n){2,}")
#: What may stand before the first word of a sentence, and the end of the one before; not that of “e.g.”
_OPENING = "“‘\"'(["
_ENDED = re.compile(r"(?<!\.\w)[.!?…][”’\"')\]]*\Z")


@dataclass(frozen=True)
class TemplateFault:
    """One thing to mend in a template, and where."""

    #: "subject" or "body".
    part: str
    #: Both start at 1; 0 is nowhere, because it is missing.
    line: int
    column: int
    words: str

    @property
    def place(self) -> str:
        if not self.line:
            return "Put it in."
        return f"Line {self.line}, character {self.column}."


def fields_for(*, asks: bool) -> Mapping[str, str]:
    """The fields that a campaign can fill in, with or without an ask."""
    return {name: said for name, said in MERGE_FIELDS.items() if asks or name not in ONLY_WITH_AN_ASK}


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Which fields a template may name, and how."""

    #: By name, with what each becomes.
    known: Mapping[str, str]
    #: Those that say only whether something is so, and stand in conditions alone.
    asked_only: Collection[str] = ()
    #: Those that no letter goes without.
    needed: Collection[str] = ()
    #: Those that stand in no subject.
    private: Collection[str] = ()


def check_template(
    body: str, subject: str, known: Mapping[str, str] | Rules = MERGE_FIELDS
) -> list[TemplateFault]:
    """Return what has to be mended before a letter can be made, the subject first; empty means sound.

    Args:
        known: the fields that have a value; or all that there is to say of fields.
    """
    rules = known if isinstance(known, Rules) else Rules(known=known)
    readers = [_Reader("subject", subject, rules), _Reader("body", body, rules)]
    faults = [fault for reader in readers for fault in reader.faults()]
    if "\n" in subject.strip() or "\r" in subject.strip():
        faults.insert(0, TemplateFault("subject", 1, 1, "The subject must be one line."))
    for part, text in (("subject", subject), ("body", body)):
        if not text.strip():
            faults.append(TemplateFault(part, 1, 1, f"The {part} is empty."))
    faults += [
        TemplateFault("body", 0, 0, f"{{{name}}} is missing: {rules.known[name]}. It must always be said.")
        for name in rules.needed
        if name not in readers[1].always
    ]
    return faults


class _Reader:
    """Goes through one template from brace to brace and knows in which condition it stands."""

    def __init__(self, part: str, text: str, rules: Rules) -> None:
        self._part, self._text, self._rules = part, text, rules
        #: Where the condition began that is open, on which field, and whether its {else} has come.
        self._open: int | None = None
        self._on = ""
        self._otherwise = False
        self._example = next(iter(rules.known), "")
        #: The fields that are said whatever the conditions are; one that only depends on itself is.
        self.always: set[str] = set()

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
            condition = _IF.fullmatch(found)
            yield self._begin(place, condition[1] if condition else "")
            yield (
                self._field(condition[1])
                if condition
                else f"Write a condition as {{if {self._asked}}}: one field, no more."
            )
        else:
            yield self._value(found)

    @property
    def _asked(self) -> str:
        """A field that a condition could stand on, for examples."""
        return "areas" if "areas" in self._rules.known else self._example

    def _begin(self, place: int, on: str) -> str | None:
        if self._open is not None:
            line = self._line(self._open)
            return f"A condition cannot stand inside another. Write {{end}} for the one of line {line} first."
        self._open, self._on, self._otherwise = place, on, False
        return None

    def _else(self) -> str | None:
        if self._open is None:
            example = f"Begin with a condition, such as {{if {self._asked}}}."
            return f"Nothing stands before this {{else}}. {example}"
        if self._otherwise:
            return "This condition has an {else} already."
        self._otherwise = True
        return None

    def _end(self) -> str | None:
        if self._open is None:
            return f"This {{end}} ends nothing. Begin with a condition, such as {{if {self._asked}}}."
        self._open = None
        return None

    def _value(self, found: str) -> str | None:
        if found == "{":
            return f"This brace is never closed. Write a field as {{{self._example}}}."
        if found == "}":
            return f"This brace closes nothing. Write a field as {{{self._example}}}."
        if found.startswith("{{"):
            name = self._nearest(found[2:-2]) or self._example
            return f"Write a field with one brace on each side: {{{name}}}."
        name = found[1:-1]
        if name in self._rules.asked_only:
            return f"{{{name}}} has no words of its own. Ask for it: {{if {name}}} … {{end}}."
        if name in self._rules.private and self._part == "subject":
            return f"{{{name}}} cannot stand in the subject: a locked telephone shows it to everybody."
        if self._open is None or (self._on == name and not self._otherwise):
            self.always.add(name)
        return self._field(name)

    def _field(self, name: str) -> str | None:
        if name in self._rules.known:
            return None
        if name in ONLY_WITH_AN_ASK and MERGE_FIELDS.keys() > self._rules.known.keys():
            return f"This campaign asks for no money, so there is nothing for {{{name}}}."
        near = self._nearest(name)
        if near and near == name.strip().lower():
            return f"Write {{{near}}} in small letters, with no space inside the braces."
        return f"There is no field {{{name[:58]}}}." + (f" Did you mean {{{near}}}?" if near else "")

    def _nearest(self, name: str) -> str | None:
        """The field that was meant, as far as can be told."""
        plain = "_".join(name.lower().split())
        if _MEANT.get(plain) in self._rules.known and plain not in self._rules.known:
            return _MEANT[plain]
        return next(iter(get_close_matches(plain, self._rules.known, n=1)), None)

    def _line(self, place: int) -> int:
        return self._text.count("\n", 0, place) + 1

    def _at(self, place: int, words: str) -> TemplateFault:
        return TemplateFault(self._part, self._line(place), place - self._text.rfind("\n", 0, place), words)


def merge(template: str, values: Mapping[str, str]) -> str:
    """Put the values into a sound template, once: braces inside a value stay what they are.

    What closes a sentence directly behind a link is set apart from it.
    """
    text = _decided(template, values)

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in values:
            raise UnknownField(f"There is no value for the field {{{name}}}.")
        said = _UNKNOWN.get(name, MISSING) if values[name] == MISSING else values[name]
        if name in _LINKS and said and _CLOSES.match(text, match.end()):
            return f"{said} "
        capital = name in _WORDS and _sentence_begins(text[: match.start()])
        return said[:1].upper() + said[1:] if capital else said

    return _FIELD.sub(value, text)


def _sentence_begins(before: str) -> bool:
    """Whether what follows this is the first word of a sentence or of a paragraph."""
    before = before.rstrip(_OPENING)
    words = before.rstrip()
    gap = before[len(words) :]
    return not words or gap.count("\n") > 1 or bool(gap and _ENDED.search(words[-9:]))


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
