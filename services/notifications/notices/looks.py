"""How a message looks as a page: the same words, with what one clicks, copies or types set apart."""

from collections.abc import Iterator
from dataclasses import dataclass

from services.notifications.notices.writing import ways_of
from services.notifications.rendering import lists_apart, mail_pages


@dataclass(frozen=True)
class Part:
    """A paragraph of a message."""

    lines: tuple[str, ...]
    #: ``words``, ``list``, ``link`` (one of our own pages), ``code`` (to be copied) or ``command``.
    look: str
    #: ``rtl`` or ``ltr``: what somebody typed in it may run the other way than the words around it.
    runs: str


def parts_of(body: str, runs: str, origin: str) -> Iterator[Part]:
    """The paragraphs of a message; an address that is not ours is never made a link.

    Args:
        runs: which way its words run.
    """
    for block in body.strip().split("\n\n"):
        if lines := [line for line in block.split("\n") if line.strip()]:
            for run in lists_apart(lines):
                text = "\n".join(run.lines)
                look = "list" if run.is_list else _look(text, origin)
                ways = ways_of(text)
                yield Part(tuple(run.lines), look, runs if runs in ways or not ways else ways.pop())


def _look(text: str, origin: str) -> str:
    if text.startswith(f"{origin}/") and not any(map(str.isspace, text)):
        return "link"
    if text.replace(" ", "").isdigit():
        return "code"
    return "command" if text.startswith("conduit ") else "words"


def render_page(subject: str, body: str, language: str, runs: str, origin: str) -> str:
    """The message as an HTML page that fetches nothing."""
    said = {"subject": subject, "language": language, "runs": runs}
    values = said | {"parts": list(parts_of(body, runs, origin))}
    return mail_pages().get_template("notice.html").render(**values)
