"""One letter as plain text, as HTML, as PDF and as an e-mail message.

The four say the same. A value that somebody typed comes out as text everywhere: it is never markup, a
template, a formula or a header. Nothing here knows the database, the clock or the mail server; every function
may be called from any thread.
"""

from __future__ import annotations

import io
import math
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from email.errors import MessageError
from email.generator import BytesGenerator
from email.header import Header
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UniqueUnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy, Policy
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from chassis.press import Press, printable
from chassis.qr import qr_svg

from .domain import NotificationsError, day_words

_HERE = Path(__file__).parent


class UnsafeHeader(NotificationsError):
    """A value cannot stand in the header of an e-mail."""

    def __init__(self, field: str) -> None:
        self.field = field
        super().__init__(f"The {field} of the e-mail holds characters that cannot stand in a header.")

    def __reduce__(self) -> tuple[type[UnsafeHeader], tuple[str]]:
        return UnsafeHeader, (self.field,)


class UnsafeLink(NotificationsError):
    """The address of the response page is not a web address."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the ask rests on, frozen into the letter."""

    #: What was counted, in words: "104 registered dentists in Sutton and Merton".
    figure: str
    source: str
    #: The day, in words.
    counted_on: str
    #: The formula in words, and its version.
    formula: str
    version: int


@dataclass(frozen=True, kw_only=True)
class LetterContent:
    """Everything that one letter says, already merged; nothing in it is markup."""

    subject: str
    #: Plain text: an empty line parts paragraphs, a line that begins with "- " is an item of a list.
    body: str
    house_name: str
    #: The charity's number as the register prints it: 1234567.
    house_number: str
    house_address: Sequence[str]
    house_telephone: str
    house_email: str
    house_website: str = ""
    recipient_name: str
    recipient_role: str
    recipient_body: str
    recipient_address: Sequence[str] = ()
    dated: date
    signatory_name: str
    signatory_position: str
    reference: str
    response_url: str
    #: Where we got the address, to follow a colon: "the trust's website, 3 November 2011".
    address_source: str
    #: One whole sentence.
    how_to_stop: str
    evidence: Evidence | None = None
    #: Whether it asks for money, so that a pledge is one of the answers.
    asks: bool = True
    language: str = "en"
    #: What stands above all of it, where it is no letter to anybody.
    mark: str = ""


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of the body with the line breaks that were meant, or a list with its items."""

    lines: Sequence[str]
    is_list: bool = False


ANSWER_WORDS = (
    "Open the page below. There you can tell us that our letter has reached you, which commits you to "
    "nothing, or {pledge}say no, or ask us something. No account is needed. "
    "You can also ring us on {telephone}."
)


# What the letter says, before it takes a form

# A line at least this long was wrapped by an editor; after a shorter one the break was meant.
_WRAPPED_FROM = 55
_CLOSINGS = ("yours sincerely", "yours faithfully", "with best wishes", "kind regards", "best wishes")


def paragraphs(body: str) -> list[Paragraph]:
    """Part the body into paragraphs and lists, joining lines that were only wrapped."""
    parts: list[Paragraph] = []
    for block in re.split(r"\n[ \t]*\n", printable(body).strip()):
        lines = [line.strip() for line in block.split("\n") if line.strip()]
        if lines:
            parts.extend(lists_apart(_unwrapped(lines)))
    return parts


def _unwrapped(lines: Sequence[str]) -> list[str]:
    joined: list[str] = []
    wraps = False
    for line in lines:
        if wraps and not line.startswith("- "):
            joined[-1] += f" {line}"
        else:
            joined.append(line)
        # Within an item of a list every line that is no new item goes on with it.
        wraps = len(line) >= _WRAPPED_FROM or joined[-1].startswith("- ")
    return joined


def lists_apart(lines: Sequence[str]) -> Iterator[Paragraph]:
    """Part the lines of one paragraph where a list begins or ends."""
    run: list[str] = []
    run_is_list = False
    for line in lines:
        is_item = line.startswith("- ")
        if run and is_item != run_is_list:
            yield Paragraph(tuple(run), run_is_list)
            run = []
        run_is_list = is_item
        run.append(line[2:].strip() if is_item else line)
    if run:
        yield Paragraph(tuple(run), run_is_list)


def _body_and_closing(c: LetterContent) -> tuple[list[Paragraph], str | None]:
    """Return the paragraphs without a signature of their own, and the closing words above ours."""
    parts = paragraphs(c.body)
    while parts and parts[-1].lines[0] in (c.signatory_name, c.signatory_position, c.house_name):
        parts.pop()
    if parts and parts[-1].lines[0].lower().startswith(_CLOSINGS):
        return parts[:-1], parts[-1].lines[0]
    return parts, "Yours sincerely,"


def _number_words(c: LetterContent) -> str:
    return f"Registered charity {printable(c.house_number)}"


def _contact_lines(c: LetterContent) -> list[str]:
    lines = [", ".join(c.house_address), f"Telephone {c.house_telephone}", c.house_email, c.house_website]
    return [printable(line) for line in lines if line.strip()]


def _recipient_lines(c: LetterContent) -> list[str]:
    lines = [c.recipient_name, c.recipient_role, c.recipient_body, *c.recipient_address]
    return [printable(line).strip() for line in lines if line.strip()]


def _answer_words(c: LetterContent) -> str:
    pledge = "make a pledge, " if c.asks else ""
    return ANSWER_WORDS.format(telephone=printable(c.house_telephone), pledge=pledge)


def _notes(c: LetterContent) -> list[str]:
    """Return the small print: how the sum was worked out, where the address came from, how to stop."""
    notes = []
    if c.evidence is not None:
        e = c.evidence
        notes.append(
            f"How we worked out the sum: {e.formula} (version {e.version} of our formula). "
            f"We counted {e.figure}. Source: {_unstopped(e.source)}, {e.counted_on}."
        )
    notes.append(f"Where we got your address: {_unstopped(c.address_source)}. {c.how_to_stop}")
    return [printable(note) for note in notes]


def _unstopped(text: str) -> str:
    return text.strip().rstrip(".")


def _check_link(c: LetterContent) -> None:
    if not re.fullmatch(r"https?://[^\s\"<>\\^`{|}]+", c.response_url):
        raise UnsafeLink


# Plain text


def render_text(c: LetterContent) -> str:
    """Return the letter as plain text in lines of at most 72 characters, web addresses left whole."""
    _check_link(c)
    parts, closing = _body_and_closing(c)
    blocks = [
        *([_wrapped(c.mark)] if c.mark else []),
        "\n".join([_wrapped(c.house_name), _number_words(c)]),
        "\n".join(_recipient_lines(c)),
        f"{day_words(c.dated)}\nOur reference: {printable(c.reference)}",
        _wrapped(c.subject),
        *("\n".join(_text_lines(part)) for part in parts),
        *([closing] if closing else []),
        printable("\n".join([c.signatory_name, c.signatory_position, c.house_name])),
        f"PLEASE ANSWER: IT TAKES ONE MINUTE\n{_wrapped(_answer_words(c))}\n\n{c.response_url}",
        "----------\n" + "\n\n".join(_wrapped(note) for note in _notes(c)),
        "\n".join(_wrapped(line) for line in [f"{c.house_name}. {_number_words(c)}.", *_contact_lines(c)]),
    ]
    return "\n\n".join(blocks) + "\n"


def _text_lines(part: Paragraph) -> list[str]:
    if part.is_list:
        return [_wrapped(line, first="- ", rest="  ") for line in part.lines]
    return [_wrapped(line) for line in part.lines]


@lru_cache(256)  # most of what a letter says, all letters of a campaign say
def _wrapped(line: str, first: str = "", rest: str = "") -> str:
    return textwrap.fill(
        printable(line),
        72,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


# HTML


@cache
def mail_pages() -> Environment:
    """The templates of what is mailed."""
    # autoescape for every template, whatever its name ends in.
    return Environment(
        autoescape=True, loader=FileSystemLoader(_HERE / "templates" / "mail"), undefined=StrictUndefined
    )


def said(c: LetterContent) -> dict[str, Any]:
    """Everything that a page says of the letter, for `letter_said.html`: in the e-mail and on ours."""
    _check_link(c)
    parts, closing = _body_and_closing(c)
    return {
        "language": c.language,
        "mark": c.mark,
        "house_name": printable(c.house_name),
        "number": _number_words(c),
        "contact": _contact_lines(c),
        "recipient": _recipient_lines(c),
        "dated": day_words(c.dated),
        "reference": printable(c.reference),
        "subject": printable(c.subject),
        "paragraphs": parts,
        "closing": closing,
        "signatory_name": printable(c.signatory_name),
        "signatory_position": printable(c.signatory_position),
        "answer": _answer_words(c),
        "url": c.response_url,
        "notes": _notes(c),
    }


def render_html(c: LetterContent) -> str:
    """Return the letter as one HTML page without scripts, images or anything that is fetched."""
    return mail_pages().get_template("letter.html").render(letter=said(c))


# PDF


LETTERHEAD = _HERE / "letterhead.typ"
_press = Press(_HERE / "letter.typ", "letter.json", [LETTERHEAD])
_batch_press = Press(_HERE / "post.typ", "batch.json", [LETTERHEAD])
_cover_press = Press(_HERE / "post_cover.typ", "batch.json")


def render_pdf(c: LetterContent) -> bytes:
    """Return the letter as a tagged A4 PDF (PDF/UA-1); the same content gives the same bytes.

    When no installed font has a character, the PDF shows a box for it, and is tagged without claiming the
    standard.
    """
    return _fitted(c)[1]


def set_values(c: LetterContent) -> dict[str, Any]:
    """Everything that is printed, with the size that fits best and the pages that it takes: for a batch."""
    return _fitted(c)[0]


def print_letters(batch: Mapping[str, Any], dated: date) -> bytes:
    """Return some letters of a batch as one PDF; each as set_values gives it."""
    return _batch_press.print(batch, dated)


def print_cover(batch: Mapping[str, Any], dated: date, *, claims: bool) -> bytes:
    """Return what lies on top of a batch as a PDF."""
    return _cover_press.print(batch, dated, claims=claims)


def _fitted(c: LetterContent) -> tuple[dict[str, Any], bytes]:
    """What is printed, with the size that fits best and the pages that it takes; and so printed."""
    _check_link(c)
    values = pdf_values(c) | {"pages": 1}
    for size in _worth_trying(c):
        pdf = _press.print({**values, "size": size}, c.dated)
        if pages_of(pdf) == 1:
            return {**values, "size": size}, pdf
    values["size"] = _SIZES[0]
    values["pages"] = pages_of(_press.print(values, c.dated))
    return values, _press.print(values, c.dated)


#: Sizes of the text in points, the one that we prefer first: smaller where it saves a second page.
_SIZES = (10.5, 10.0, 9.5)


def _worth_trying(c: LetterContent) -> list[float]:
    """The sizes at which the letter may fit on one page.

    Each try sets the whole letter, and most letters are to need but one: a size at which the letter looks too
    full is passed over, the smallest one only when it looks far too full.
    """
    return [size for size in _SIZES if _fullness(c, size) <= (1.2 if size == _SIZES[-1] else 1.0)]


def _fullness(c: LetterContent, size: float) -> float:
    """About which part of the room on one page the letter takes.

    The figures come from 900 trial prints of letters of 3 to 12 paragraphs in Latin script, with short
    evidence, long evidence or none: 2 were tried in vain, and 25 were passed over that would have fitted.
    """
    parts, _closing = _body_and_closing(c)
    characters = 1110 / size
    lines = sum(math.ceil(len(text) / characters) for part in parts for text in part.lines)
    small = sum(math.ceil(len(text) * 0.8 / characters) for text in _notes(c))
    return (lines + 0.3 * len(parts) + 0.85 * small) * size / 275


def pages_of(pdf: bytes) -> int:
    """How many pages a PDF of typst's says it has."""
    found = re.search(rb"/Type\s*/Pages\s*/Count (\d+)", pdf)
    if found is None:
        raise RuntimeError("typst writes its tree of pages in another way than before")
    return int(found[1])


def pdf_values(c: LetterContent) -> dict[str, object]:
    """Everything that is printed, as the letterhead names it."""
    parts, closing = _body_and_closing(c)
    return {
        "subject": _breaking(printable(c.subject)),
        "language": c.language,
        "mark": c.mark,
        "date": {"year": c.dated.year, "month": c.dated.month, "day": c.dated.day},
        "dated": day_words(c.dated),
        "reference": printable(c.reference),
        "house": {
            "name": printable(c.house_name),
            "number": _number_words(c),
            "contact": [*map(printable, c.house_address), *_contact_lines(c)[1:]],
        },
        "recipient": [_breakable(line) for line in _recipient_lines(c)],
        "body": [{"lines": [*map(_breaking, part.lines)], "list": part.is_list} for part in parts],
        "closing": closing,
        "signatory": {"name": printable(c.signatory_name), "position": printable(c.signatory_position)},
        "answer": _answer_words(c),
        "url": c.response_url,
        "qr": qr_svg(c.response_url),
        "notes": _notes(c),
    }


# So many signs fit into a window, however wide they are; a longer word might stand out of it.
_ENDLESS = re.compile(r"\S{20}(?=\S)")


def _breakable(line: str) -> str:
    """The line, with places in endless words at which it may break."""
    return _ENDLESS.sub(lambda found: f"{found[0]}\u200b", line)


# So many letters fit into a line, however wide they are, also of the subject; a web address breaks by itself
# at its signs.
_LONGER_THAN_A_LINE = re.compile(r"\w{30}(?=\w)")


def _breaking(line: str) -> str:
    """The line, with places at which a word may break that is longer than any line."""
    return _LONGER_THAN_A_LINE.sub(lambda found: f"{found[0]}\u200b", line)


# E-mail


class _Subject(UniqueUnstructuredHeader, BaseHeader):  # type: ignore[misc]
    """A subject encoded as a whole: Python 3.11 doubles a space where it encodes single words and folds."""

    def fold(self, *, policy: Policy) -> str:
        if self.isascii():
            return super().fold(policy=policy)
        encoded = Header(str(self), "utf-8", maxlinelen=75, header_name=self.name).encode(
            linesep=policy.linesep
        )
        return f"{self.name}: {encoded}{policy.linesep}"


class _Addresses(UniqueUnstructuredHeader, BaseHeader):  # type: ignore[misc]
    """Addresses of pages, one to a line: Python encodes a longer one as if it were words, and kills it."""

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {str(self).replace(', ', f',{policy.linesep} ')}{policy.linesep}"


class _Headers(HeaderRegistry):
    """Makes the class of a header once; Python makes it anew for every header of every message."""

    @cache  # noqa: B019 - there is one registry, and it lives as long as the process
    def __getitem__(self, name: str) -> type:
        return super().__getitem__(name)


class _Policy(EmailPolicy):
    """Reads and folds once what most headers say in every letter: who writes, and what each part is."""

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        return _stored(name, value) if type(value) is str else super().header_store_parse(name, value)

    def fold_binary(self, name: str, value: Any) -> bytes:
        return _folded(name, value)


@lru_cache(128)
def _stored(name: str, value: str) -> tuple[str, Any]:
    return EmailPolicy.header_store_parse(POLICY, name, value)


@lru_cache(128)
def _folded(name: str, value: Any) -> bytes:
    return EmailPolicy.fold_binary(POLICY, name, value)


_headers = _Headers()
_headers.map_to_type("subject", _Subject)
_headers.map_to_type("list-unsubscribe", _Addresses)
POLICY = _Policy(linesep=SMTP.linesep, header_factory=_headers)


def build_message(
    c: LetterContent,
    sender: str,
    reply_to: str,
    recipient_address: str,
    message_id: str,
    pdf: bytes,
    *,
    sent_at: datetime,
    list_unsubscribe: Sequence[str] = (),
    in_reply_to: str | None = None,
) -> EmailMessage:
    """Return the letter as an e-mail: text and HTML that say the same, the PDF attached.

    The three addresses are bare (`office@forum.example`); names come from the letter. `list_unsubscribe`
    has the addresses by which mail programs say that somebody wants no more, the best first: one that begins
    with `https` takes one click (RFC 8058). `in_reply_to` is the Message-ID of the letter that this one
    follows. Raises UnsafeHeader.
    """
    message = EmailMessage(policy=POLICY)
    message["From"] = addressed("From", c.house_name, sender)
    message["To"] = addressed("To", c.recipient_name, recipient_address)
    message["Reply-To"] = addressed("Reply-To", c.house_name, reply_to)
    message["Subject"] = _header("Subject", c.subject)
    message["Date"] = sent_at
    message["Message-ID"] = _header("Message-ID", message_id)
    if in_reply_to is not None:
        message["In-Reply-To"] = message["References"] = _header("In-Reply-To", in_reply_to)
    if list_unsubscribe:
        shown = [f"<{_header('List-Unsubscribe', address)}>" for address in list_unsubscribe]
        message["List-Unsubscribe"] = ", ".join(shown)
        if list_unsubscribe[0].startswith("https:"):
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(render_text(c), cte="quoted-printable")
    message.make_alternative(boundary=_BOUNDARIES[1])
    message.add_alternative(render_html(c), subtype="html", cte="quoted-printable")
    message.make_mixed(boundary=_BOUNDARIES[0])
    message.add_attachment(pdf, maintype="application", subtype="pdf", filename=file_name(c.reference))
    return message


def render_mail(
    content: LetterContent,
    printed: LetterContent,
    sender: str,
    reply_to: str,
    recipient_address: str,
    message_id: str,
    *,
    sent_at: datetime,
    list_unsubscribe: Sequence[str],
    in_reply_to: str | None,
) -> bytes:
    """Return the e-mail that says `content` with `printed` attached, as it is sent; see build_message."""
    message = build_message(
        content,
        sender,
        reply_to,
        recipient_address,
        message_id,
        render_pdf(printed),
        sent_at=sent_at,
        list_unsubscribe=list_unsubscribe,
        in_reply_to=in_reply_to,
    )
    return _written(message)


#: Where nobody is: no mail server knows this domain, and none ever will (RFC 6761, 6.4).
NOWHERE = "specimen.invalid"

#: What stands above the words of a specimen, and above every page of its PDF.
SPECIMEN = (
    "Specimen: a colleague is looking at how this letter arrives. This copy was not sent, and its link leads "
    "nowhere."
)


def render_specimen(
    content: LetterContent, printed: LetterContent, sender: str, message_id: str, *, made_at: datetime
) -> bytes:
    """Return the same e-mail as a draft that says it is a specimen, and goes to nobody and answers nobody.

    Whoever is to have no working link gives contents without one. Raises UnsafeHeader.
    """
    nobody = f"nobody@{NOWHERE}"
    marked, pdf = replace(content, mark=SPECIMEN), render_pdf(replace(printed, mark=SPECIMEN))
    message = build_message(marked, sender, nobody, nobody, message_id, pdf, sent_at=made_at)
    message.replace_header("Subject", f"Specimen: {content.subject}")
    message["X-Unsent"] = "1"  # mail programs open it to be written on, and not as mail that came
    return _written(message)


def _written(message: EmailMessage) -> bytes:
    written = io.BytesIO()
    _Writer(written, mangle_from_=False, policy=POLICY).flatten(message)
    return written.getvalue()


class _Writer(BytesGenerator):
    """Writes a part at once, and not every line of a PDF by itself."""

    def _write_lines(self, lines: str) -> None:
        self.write(_LINE_END.sub(POLICY.linesep, lines))


_LINE_END = re.compile(r"\r\n|\r|\n")


# Neither quoted-printable nor base64 has an underscore behind an equals sign (RFC 2045, 6.7): these stand in
# no part, and one that is drawn at random is looked for in all of them.
_BOUNDARIES = ("=_letter", "=_words")

# A control character, a line or paragraph separator, half a character, or the start of an encoded word, like
# "=?utf-8?q?=0ABcc=3A?=", which Python 3.11 decodes to write the line break that was in it (CVE-2024-6923).
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]|=\\?")


def _header(field: str, value: str) -> str:
    if _UNSAFE.search(value):
        raise UnsafeHeader(field)
    return value


def addressed(field: str, name: str, address: str) -> Address:
    """A name and an address as they may stand in a header. Raises UnsafeHeader."""
    _header(field, address)
    # A comma or bracket in a long name can lose its quotes when the line is folded (CVE-2025-1795).
    shown = re.sub(r'[,;:<>()\[\]@"\\]+', " ", _header(field, name))
    try:
        made = Address(display_name=" ".join(shown.split())[:100], addr_spec=address)
    except (ValueError, IndexError, MessageError):
        raise UnsafeHeader(field) from None
    if not made.username or not made.domain:
        raise UnsafeHeader(field)
    return made


def file_name(reference: str, ending: str = "pdf", what: str = "letter") -> str:
    """What the file of a letter is called; of one without a reference yet, a preview. Raises UnsafeHeader."""
    _header("attachment's name", reference)
    known = "preview" if reference.startswith("[") else reference
    return f"{what}-{re.sub(r'[^A-Za-z0-9._-]+', '-', known).strip('-.')[:80] or 'copy'}.{ending}"
