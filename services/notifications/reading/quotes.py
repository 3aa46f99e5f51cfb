"""What somebody wrote, apart from what they quoted and how they sign; and the text of a page in HTML."""

import html
import re
from dataclasses import dataclass

#: Characters of a text that are kept beside a letter; the whole mail is kept beside it.
LONGEST_WORDS = 20_000
#: Characters of HTML that are read.
_LONGEST_HTML = 500_000

#: A line after which a mail program quotes what was answered.
_ATTRIBUTION = re.compile(
    r"(?:on|am|le|el|il|em|op|den|w dniu|dne|vào|в|في)\b.{4,300}"
    r"(?:(?:schrieb|schreef|skrev)\b.{0,100}:|(?:wrote|writes|schrieb|a écrit|escribió|ha scritto|escreveu"
    r"|schreef|skrev|napisał\(?a?\)?|napsal\(?a?\)?|đã viết|написал\(?а?\)?|пишет|كتب)\s*:?)\s*$",
    re.IGNORECASE,
)
_REST = re.compile(
    r"\s*(?:-{2,}\s*(?:original message|original appointment|forwarded message|ursprüngliche nachricht"
    r"|originalnachricht|message d.origine|message original|mensaje original|messaggio originale"
    r"|mensagem original|oorspronkelijk bericht|ursprungligt meddelande|wiadomość oryginalna)\s*-{2,}\s*)$",
    re.IGNORECASE,
)
_HEADING = re.compile(r"\s*\*?(?:from|von|de|da|van|från|fra|od|от)\s?:", re.IGNORECASE)
_HEADING_NEXT = re.compile(
    r"\s*\*?(?:sent|date|to|subject|gesendet|an|betreff|envoyé|à|objet|enviado|para|asunto|inviato|a|oggetto"
    r"|verzonden|aan|onderwerp|skickat|till|ämne|data|do|temat)\s?:",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(
    r"(?:--\s?|_{10,}|sent from my \S.{0,60}|von meinem .{0,40} gesendet)$", re.IGNORECASE
)

#: Elements that begin a line, and those whose text is none.
_BLOCKS = frozenset("p div br tr li ul ol table blockquote h1 h2 h3 h4 h5 h6 hr pre".split())
_SILENT = frozenset("script style head title template noscript".split())


@dataclass(frozen=True)
class Folded:
    """A text in two: what was written, and what is folded away because it was quoted or is a signature."""

    shown: str
    folded: str


def fold(text: str) -> Folded:
    """Fold away what was quoted and the signature. Nothing is lost: both together are the text's lines."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    shown: list[str] = []
    folded: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if _REST.match(line) or _is_heading(lines, at) or _SIGNATURE.fullmatch(line):
            folded += lines[at:]
            break
        taken = _attribution(lines, at)
        if taken:
            folded += lines[at : at + taken]
            at += taken
            if not _quote_follows(lines, at):  # programs that make text of HTML quote without a mark
                folded += lines[at:]
                break
            continue
        (folded if line.startswith(">") else shown).append(line)
        at += 1
    return Folded(_tidy(shown), _tidy(folded))


def _is_heading(lines: list[str], at: int) -> bool:
    """A block of From:, Sent:, To: that stands above what is quoted."""
    return bool(_HEADING.match(lines[at])) and any(map(_HEADING_NEXT.match, lines[at + 1 : at + 3]))


def _attribution(lines: list[str], at: int) -> int:
    """How many lines say "On Monday … wrote:", which programs break in two or three; 0 when none does."""
    for count in (1, 2, 3):
        joined = " ".join(part.strip() for part in lines[at : at + count])
        if len(joined) > 400:
            return 0
        if _ATTRIBUTION.match(joined.lstrip("> ")):
            return count
    return 0


def _quote_follows(lines: list[str], at: int) -> bool:
    following = next((line for line in lines[at : at + 4] if line.strip()), "")
    return following.startswith(">")


def _tidy(lines: list[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in lines)).strip("\n")


def text_of(page: str) -> str:
    """The text of a page in HTML, one line for each of its paragraphs, quotations marked as in plain text."""
    words: list[str] = []
    silent = ""
    quoted = 0
    for number, piece in enumerate(re.split(r"<([^<>]*)>", page[:_LONGEST_HTML])):
        if number % 2 == 0:
            if not silent:
                words.append(re.sub(r"\s+", " ", html.unescape(piece)))
            continue
        closing, name = (
            piece.startswith("/"),
            (re.match(r"/?\s*([A-Za-z0-9]+)", piece) or ("", ""))[1].lower(),
        )
        if silent:
            silent = "" if closing and name == silent else silent
        elif name in _SILENT and not closing and not piece.endswith("/"):
            silent = name
        elif name in _BLOCKS:
            if name == "blockquote":
                quoted = max(0, quoted + (-1 if closing else 1))
            words.append("\n" + "> " * min(quoted, 3))
    lines = (line.strip() for line in "".join(words).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
