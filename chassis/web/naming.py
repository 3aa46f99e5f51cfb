"""What a page calls its fields, for the summary of what is wrong with a form, which stands above them.

A field is called what its label says, or the legend of its group: that is written once, on the page itself.
Where several are called the same, each is told by its group. The summary goes through them as the page does,
in whatever order they were read.
"""

import re
from collections.abc import Sequence
from html import escape
from html.parser import HTMLParser

#: Around a field, where what the page calls it will stand. No text has these signs: they stand for nothing.
_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
_PLACE = re.compile("\ufdd0([^\ufdd1]*)\ufdd1")
#: One line of a summary, as `faults_summary` writes it, and all that stand together. No text has tags either.
_LINE = re.compile('<li><a href="[^"]*">\ufdd0([^\ufdd1]*)\ufdd1.*?</li>\\s*', re.DOTALL)
_LINES = re.compile('(?:<li><a href="[^"]*">\ufdd0.*?</li>\\s*)+', re.DOTALL)


def name_of(field: str) -> str:
    """Where a template says this, the page will say what it calls the field, if it has a name for it."""
    return f"{_OPEN}{field}{_CLOSE}"


def say_names(page: str) -> str:
    """The page with the names of its fields, wherever one is to be said, and its summary in their order."""
    if _OPEN not in page:
        return page
    names = _Names()
    names.feed(page)
    page = _LINES.sub(lambda lines: names.in_order(lines[0]), page)
    return _PLACE.sub(lambda place: _before_a_fault(names.of(place[1])), page)


def _before_a_fault(name: str) -> str:
    return f"{escape(name)}{'' if name.endswith('?') else ':'} " if name else ""


class _Names(HTMLParser):
    """Reads what labels, legends and ``aria-label`` say of which field."""

    def __init__(self) -> None:
        super().__init__()
        self._found: dict[str, tuple[str, str]] = {}
        #: By its id, which part of the page it is.
        self._places: dict[str, int] = {}
        #: The groups that one is in, from the outermost: the id and the legend of each.
        self._groups: list[tuple[str, str]] = []
        self._field = self._until = ""
        self._words: list[str] = []

    def of(self, field: str) -> str:
        """What the page calls a field; nothing where it has no name for it."""
        name, group = self._found.get(field, ("", ""))
        alike = sum(other == name for other, _ in self._found.values())
        return f"{group}, {name}" if group and alike > 1 else name

    def in_order(self, lines: str) -> str:
        """Lines of a summary as their fields follow on the page; first what stands nowhere on it."""
        found = sorted(_LINE.finditer(lines), key=lambda line: self._places.get(line[1], -1))
        return "".join(line[0] for line in found)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if "id" in said:
            self._places.setdefault(said["id"], len(self._places))
        if tag == "fieldset":
            self._groups.append((said.get("id", ""), ""))
        if tag == "label" and "for" in said:
            self._begin(tag, said["for"])
        elif tag == "legend" and self._groups:
            self._begin(tag, self._groups[-1][0])
        elif "aria-label" in said and "id" in said:
            self._keep(said["id"], said["aria-label"])

    def _begin(self, tag: str, field: str) -> None:
        self._field, self._until, self._words = field, tag, []

    def handle_data(self, data: str) -> None:
        if self._until:
            self._words.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == self._until:
            words, self._until = " ".join("".join(self._words).split()), ""
            self._keep(self._field, words)
            if tag == "legend" and self._groups:
                self._groups[-1] = (self._field, words)
        if tag == "fieldset" and self._groups:
            self._groups.pop()

    def _keep(self, field: str, name: str) -> None:
        self._found.setdefault(field, (name, self._groups[-1][1] if self._groups else ""))
