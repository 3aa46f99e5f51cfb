"""One letter in four forms that say the same, whatever is written in its values."""

from __future__ import annotations

import io
import re
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from pypdf import PageObject, PdfReader

from chassis.press import claims_standard
from services.notifications.domain import AskFormula
from services.notifications.rendering import (
    SPECIMEN,
    Evidence,
    LetterContent,
    Paragraph,
    UnsafeHeader,
    UnsafeLink,
    build_message,
    paragraphs,
    render_html,
    render_pdf,
    render_text,
)
from services.notifications.wording import MERGE_FIELDS, merge

CAMPAIGN = Path(__file__).parents[2] / "examples" / "campaign.toml"
URL = "https://letters.forum.example/letters/answer/0123456789abcdefghjkmnpqrs"
SENT_AT = datetime(2012, 2, 6, 9, 30, tzinfo=UTC)

BODY = """Dear Jane Okafor,

I am writing to ask Kensington and Chelsea Primary Care Trust to put £3,400 towards our
training scheme. It teaches dentists who qualified abroad:

- for the exam that lets them work here
- for free

Would you let us know that this letter has arrived?"""

LETTER = LetterContent(
    subject="Training dentists in Kensington and Chelsea: we ask you for £3,400",
    body=BODY,
    house_name="Migrant and Refugee Communities Forum",
    house_number="1234567",
    house_address=("2 Example Road", "London", "W10 0XX"),
    house_telephone="020 7946 0000",
    house_email="office@forum.example",
    house_website="https://forum.example",
    recipient_name="Jane Okafor",
    recipient_role="Chief executive",
    recipient_body="Kensington and Chelsea Primary Care Trust",
    recipient_address=("1 Trust House", "Exhibition Road", "London", "W8 0XX"),
    dated=date(2012, 2, 6),
    signatory_name="Zarina Example",
    signatory_position="Director",
    reference="2012-0042",
    response_url=URL,
    address_source="the trust's list of directors, 9 January 2012",
    how_to_stop="If you do not want letters from us, say so on the page above and we will not write again.",
    evidence=Evidence(
        figure="47 registered dentists in Kensington and Chelsea",
        source="our register of overseas-qualified dentists",
        counted_on="31 December 2011",
        formula="£3,000, plus £10 for each registered dentist in the area",
        version=1,
    ),
)

HOSTILE = (
    '<script>alert(1)</script> "><img src=x onerror=y> {{ 7*7 }} {% raw %} {ask} #panic("x") *bold* '
    "_it_ $x^2$ \\ `raw` <label> @ref // note = head =HYPERLINK(1) +1 @SUM(1) &amp; %s"
)


def pages(pdf: bytes) -> list[str]:
    """Return what each page says, with the spaces and line breaks made equal."""
    return [" ".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(pdf)).pages]


def places_on(page: PageObject) -> list[tuple[str, float, float]]:
    """What a page says, each with how far it stands from the left and from the top, in mm."""
    places: list[tuple[str, float, float]] = []

    def note(text: str, cm: list[float], tm: list[float], _font: object, _size: float) -> None:
        left, up = tm[4] * cm[0] + tm[5] * cm[2] + cm[4], tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
        places.append((text, left / 72 * 25.4, 297 - up / 72 * 25.4))

    page.extract_text(visitor_text=note)
    return places


class Words(HTMLParser):
    """Reads a page as its reader does: words alone; and notes every tag and attribute."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: set[str] = set()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links |= {value or "" for name, value in attrs if name in ("href", "src")}

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.said).split())


def squeezed(text: str) -> str:
    """Leave out all white space: where lines break is not what these tests are about."""
    return "".join(text.split())


# All forms say the same


def test_every_form_says_all_that_a_letter_must() -> None:
    must = [
        "Migrant and Refugee Communities Forum",
        "Registered charity 1234567",
        "Jane Okafor",
        "Kensington and Chelsea Primary Care Trust",
        "W8 0XX",
        "6 February 2012",
        "2012-0042",
        LETTER.subject,
        "for the exam that lets them work here",
        "Zarina Example",
        "Director",
        "commits you to nothing",
        URL,
        "020 7946 0000",
        "47 registered dentists in Kensington and Chelsea",
        "our register of overseas-qualified dentists, 31 December 2011",
        "version 1",
        "the trust's list of directors, 9 January 2012",
        LETTER.how_to_stop,
    ]
    for said in (render_text(LETTER), Words(render_html(LETTER)).text, pages(render_pdf(LETTER))[0]):
        assert [words for words in must if squeezed(words) not in squeezed(said)] == []


def test_a_letter_without_an_ask_has_no_formula() -> None:
    plain = replace(LETTER, evidence=None)
    for said in (render_text(plain), render_html(plain), pages(render_pdf(plain))[0]):
        assert "worked out" not in said
        assert "formula" not in said


def test_wrapped_lines_are_joined_and_meant_ones_kept() -> None:
    assert paragraphs(BODY) == [
        Paragraph(("Dear Jane Okafor,",)),
        Paragraph(
            (
                "I am writing to ask Kensington and Chelsea Primary Care Trust to put £3,400 towards our "
                "training scheme. It teaches dentists who qualified abroad:",
            )
        ),
        Paragraph(("for the exam that lets them work here", "for free"), is_list=True),
        Paragraph(("Would you let us know that this letter has arrived?",)),
    ]
    assert paragraphs("one\r\ntwo\r\n\r\nthree") == [Paragraph(("one", "two")), Paragraph(("three",))]
    assert paragraphs("Bring:\n- tea\n  and cake\n- time") == [
        Paragraph(("Bring:",)),
        Paragraph(("tea and cake", "time"), is_list=True),
    ]
    assert paragraphs(" \n\n ") == []


def test_a_closing_of_its_own_is_not_printed_twice() -> None:
    own = replace(LETTER, body=f"{BODY}\n\nKind regards,\n\nZarina Example\nDirector")
    for said in (render_text(own), Words(render_html(own)).text, pages(render_pdf(own))[0]):
        assert said.count("Zarina Example") == 1
        assert "Kind regards" in said
        assert "Yours sincerely" not in said


# Values are text


def hostile_letter() -> LetterContent:
    return replace(
        LETTER,
        subject=HOSTILE,
        body=f"Dear {HOSTILE},\n\n{HOSTILE}",
        recipient_name=HOSTILE,
        signatory_name=HOSTILE,
        house_name=f"Forum {HOSTILE}",
        reference="#x *y*",
    )


def test_hostile_values_are_text_in_the_pdf() -> None:
    said = squeezed("".join(pages(render_pdf(hostile_letter()))))
    assert said.count(squeezed(HOSTILE)) >= 5
    assert "#x*y*" in said


def test_hostile_values_are_text_in_the_html() -> None:
    page = Words(render_html(hostile_letter()))
    assert page.text.count(HOSTILE) >= 6
    assert not {"script", "img"} & page.tags
    assert not {name for name in page.attributes if name.startswith("on")}


def test_hostile_values_are_text_in_the_plain_text() -> None:
    assert squeezed(render_text(hostile_letter())).count(squeezed(HOSTILE)) == 7


def test_the_html_fetches_nothing_and_links_to_the_answer_alone() -> None:
    page = Words(render_html(replace(LETTER, body=f"Answer at {URL}. See http://other.example/ too.")))
    assert page.links == {URL}
    assert not {"img", "script", "link", "iframe", "form"} & page.tags


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", 'https://a.example/"onclick="x', "https://a.example/a b", ""]
)
def test_only_a_web_address_is_linked(url: str) -> None:
    for render in (render_text, render_html, render_pdf):
        with pytest.raises(UnsafeLink):
            render(replace(LETTER, response_url=url))


def test_characters_that_no_page_can_show_are_dropped() -> None:
    odd = replace(LETTER, recipient_name="Jane\x00 \x1bOka\ud800for", body="Dear\x07 Jane\x0b,\r\n\r\nHello")
    for said in (render_text(odd), Words(render_html(odd)).text, pages(render_pdf(odd))[0]):
        assert "Jane Okafor" in said
        assert "Dear Jane," in said
        said.encode("utf-8")


# The page


def test_the_forums_letter_takes_one_page() -> None:
    campaign = tomllib.loads(CAMPAIGN.read_text(encoding="utf-8"))
    values = {
        "contact_name": "Professor Alexandra Featherstonehaugh",
        "contact_role": "Equality and diversity",
        "body_name": "Hammersmith and Fulham Primary Care Trust",
        "areas": "Hammersmith and Fulham",
        "registered": "fewer than five",
        "profession_plural": "dentists",
        "ask": "£3,000",
        "evidence_date": "31 December 2011",
        "evidence_source": "our register of overseas-qualified dentists",
        "fund": "training scheme",
        "response_url": URL,
        "house_telephone": LETTER.house_telephone,
        "house_name": LETTER.house_name,
        "house_short_name": "the Forum",
        "house_email": LETTER.house_email,
        "signatory_name": LETTER.signatory_name,
        "signatory_position": LETTER.signatory_position,
    }
    formula = AskFormula(**campaign["ask"])
    evidence = replace(LETTER.evidence, formula=formula.words("dentist")) if LETTER.evidence else None
    letter = replace(
        LETTER,
        subject=merge(campaign["subject"], values),
        body=merge(campaign["body"], values),
        recipient_body=values["body_name"],
        evidence=evidence,
    )
    assert len(pages(render_pdf(letter))) == 1


def test_the_pdf_is_accessible() -> None:
    reader = PdfReader(io.BytesIO(render_pdf(LETTER)))
    root: Any = reader.trailer["/Root"]
    assert reader.metadata is not None
    assert (reader.metadata.title, reader.metadata.author) == (LETTER.subject, LETTER.house_name)
    assert root["/Lang"] == "en-GB"
    assert root["/MarkInfo"]["/Marked"]
    assert b"pdfuaid:part" in root["/Metadata"].get_data()
    assert (float(reader.pages[0].mediabox.width), float(reader.pages[0].mediabox.height)) == pytest.approx(
        (595.28, 841.89), abs=0.01
    )


def test_the_address_stands_in_the_window() -> None:
    """DL and C5 windows show what is 57 to 81 mm from the top and 20 to 100 mm from the left."""
    places = places_on(PdfReader(io.BytesIO(render_pdf(LETTER))).pages[0])
    inside = [text for text, left, down in places if text.strip() and left < 112 and 46 < down < 95]
    assert inside == ["Jane Okafor", "Chief executive", LETTER.recipient_body, *LETTER.recipient_address]
    for text, left, down in places:
        assert text not in inside or left > 112 or (20 <= left <= 30 and 57 <= down <= 80.5)


def test_the_same_letter_gives_the_same_bytes() -> None:
    assert render_pdf(LETTER) == render_pdf(LETTER)


def test_a_mark_stands_above_every_page_and_moves_nothing() -> None:
    letter = replace(LETTER, body="\n\n".join([BODY] * 8))
    marked = render_pdf(replace(letter, mark=SPECIMEN))
    assert claims_standard(marked)
    plain = pages(render_pdf(letter))
    assert [said.removeprefix(f"{SPECIMEN} ") for said in pages(marked)] == plain
    for page in PdfReader(io.BytesIO(marked)).pages:
        assert [5 < down < 15 for text, _, down in places_on(page) if "Specimen" in text] == [True]


def test_letters_are_printed_from_several_threads_at_once() -> None:
    letters = [replace(LETTER, reference=f"M-{n}") for n in range(12)]
    with ThreadPoolExecutor(4) as pool:
        printed = list(pool.map(render_pdf, letters))
    assert [letter.reference in pages(pdf)[0] for letter, pdf in zip(letters, printed, strict=True)] == [
        True
    ] * 12


LONG = " ".join(["Featherstonehaugh"] * 11)[:200]


@pytest.mark.parametrize(
    "wide",
    [
        {"recipient_name": LONG, "recipient_role": LONG, "recipient_body": LONG},
        {"recipient_address": tuple(f"{n} Line of a Long Address, Floor {n}" for n in range(12))},
        {"house_name": LONG, "house_address": tuple(f"{n} Long Road" for n in range(12))},
        {"subject": LONG, "signatory_name": LONG, "signatory_position": LONG},
        {"recipient_name": "W" * 200},
    ],
)
def test_long_values_lose_nothing_and_stay_on_the_page(wide: dict[str, object]) -> None:
    pdf = render_pdf(replace(LETTER, **wide))  # type: ignore[arg-type]
    said = squeezed("".join(pages(pdf)))
    for value in wide.values():
        for line in [value] if isinstance(value, str) else list(value):  # type: ignore[call-overload]
            assert squeezed(line) in said
    assert squeezed(URL) in said


def test_a_word_longer_than_a_line_stays_on_the_page() -> None:
    word = "Donaudampfschiff" * 12
    [page] = PdfReader(io.BytesIO(render_pdf(replace(LETTER, subject=word, body=f"So: {word}")))).pages
    lines = page.extract_text().split("\n")
    assert max(map(len, lines)) < 150
    assert squeezed("".join(lines)).count(word) == 2


def test_the_widest_letters_of_a_subject_stay_on_the_paper() -> None:
    [page] = PdfReader(io.BytesIO(render_pdf(replace(LETTER, subject="W" * 120)))).pages
    lines = [line for line in page.extract_text().split("\n") if set(line.strip("\u200b ")) == {"W"}]
    # In 12.8 points, bold, a W is 5 mm wide; the text is 166 mm wide.
    assert sum(line.count("W") for line in lines) == 120
    assert max(line.count("W") for line in lines) * 5 < 166


def test_a_letter_longer_than_a_page_numbers_its_pages() -> None:
    said = pages(render_pdf(replace(LETTER, body="\n\n".join([BODY] * 8))))
    assert len(said) >= 2
    assert "Page 2 of" in said[1]


@pytest.mark.parametrize("name", ["Зоя Іваненко", "Ελένη Παπαδοπούλου", "Nguyễn Thị Ánh", "Łukasz Żółć"])
def test_names_keep_their_letters(name: str) -> None:
    letter = replace(LETTER, recipient_name=name)
    for said in (render_text(letter), render_html(letter), pages(render_pdf(letter))[0]):
        assert name in said


@pytest.mark.parametrize("name", ["محمد العلي", "李小龍", "ሰላም", "ဒေါ်စု", "👩🏾‍⚕️ Ada", "\U000f0000"])
def test_a_name_in_any_script_makes_a_letter(name: str) -> None:
    """Where no installed font has it, a box stands for it, and the text of the e-mail has the name."""
    letter = replace(LETTER, recipient_name=name)
    assert len(pages(render_pdf(letter))) == 1
    assert name in render_text(letter)


# The e-mail


def message(letter: LetterContent = LETTER, **more: Any) -> EmailMessage:
    parts = {
        "sender": "letters@forum.example",
        "reply_to": "answer+0042@forum.example",
        "recipient_address": "jane.okafor@trust.example",
        "message_id": "<letter-0042-1@forum.example>",
    }
    return build_message(letter, **(parts | more), pdf=b"%PDF-1.7 x", sent_at=SENT_AT)


def read_back(built: EmailMessage) -> EmailMessage:
    raw = built.as_bytes()
    assert max(len(line) for line in raw.splitlines()) <= 998
    read = message_from_bytes(raw, policy=SMTP)
    assert isinstance(read, EmailMessage)
    return read


def test_a_long_link_in_the_mailed_text_may_break_anywhere() -> None:
    page = render_html(replace(LETTER, body=f"Please answer at {URL}."))
    text = page[page.index("<body") :]
    assert text.index("overflow-wrap:anywhere") < text.index(URL)


def test_the_message_carries_text_html_and_the_pdf() -> None:
    read = read_back(message())
    assert [part.get_content_type() for part in read.walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "application/pdf",
    ]
    text, html = read.get_body(("plain",)), read.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().replace("\r\n", "\n") == render_text(LETTER)
    assert html.get_content().replace("\r\n", "\n").strip() == render_html(LETTER).strip()
    (attached,) = read.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == ("letter-2012-0042.pdf", b"%PDF-1.7 x")


def test_the_headers_are_those_of_a_letter_from_a_person() -> None:
    read = read_back(message())
    assert {
        name: str(value) for name, value in read.items() if name not in ("Content-Type", "MIME-Version")
    } == {
        "From": "Migrant and Refugee Communities Forum <letters@forum.example>",
        "To": "Jane Okafor <jane.okafor@trust.example>",
        "Reply-To": "Migrant and Refugee Communities Forum <answer+0042@forum.example>",
        "Subject": LETTER.subject,
        "Date": "Mon, 06 Feb 2012 09:30:00 +0000",
        "Message-ID": "<letter-0042-1@forum.example>",
    }


def test_a_way_to_unsubscribe_and_an_earlier_letter_are_named_when_given() -> None:
    read = read_back(message(list_unsubscribe=[URL], in_reply_to="<letter-0042-0@forum.example>"))
    assert read["List-Unsubscribe"].strip() == f"<{URL}>"
    assert read["In-Reply-To"] == read["References"] == "<letter-0042-0@forum.example>"


@pytest.mark.parametrize(
    "bad", ["x\r\nBcc: all@forum.example", "x\ny", "x\x00", "x\u2028y", "x\ud800", "=?utf-8?q?=0ABcc=3A_x?="]
)
@pytest.mark.parametrize(
    ("field", "place"),
    [
        ("Subject", "letter.subject"),
        ("From", "letter.house_name"),
        ("To", "letter.recipient_name"),
        ("attachment's name", "letter.reference"),
        ("From", "sender"),
        ("To", "recipient_address"),
        ("Reply-To", "reply_to"),
        ("Message-ID", "message_id"),
        ("List-Unsubscribe", "list_unsubscribe"),
        ("In-Reply-To", "in_reply_to"),
    ],
)
def test_no_control_character_reaches_a_header(field: str, place: str, bad: str) -> None:
    letter = LETTER
    more: dict[str, Any] = {}
    if place.startswith("letter."):
        letter = replace(LETTER, **{place.removeprefix("letter."): bad})  # type: ignore[arg-type]
    else:
        more[place] = [bad] if place == "list_unsubscribe" else bad
    with pytest.raises(UnsafeHeader) as refused:
        message(letter, **more)
    assert refused.value.field == field
    assert "Bcc" not in str(refused.value)


@pytest.mark.parametrize("field", MERGE_FIELDS)
def test_through_no_merge_field_does_anything_become_a_header(field: str) -> None:
    values = dict.fromkeys(MERGE_FIELDS, "word") | {field: "x\r\nBcc: all@forum.example\r\n\r\nNo letter"}
    with pytest.raises(UnsafeHeader):
        message(replace(LETTER, subject=merge(f"About {{{field}}}", values)))
    harmless = message(replace(LETTER, body=merge(f"Dear {{{field}}},", values)))
    assert "Bcc" not in read_back(harmless)


def test_a_signature_over_it_holds_on_the_way() -> None:
    """No server has a reason to change anything: short lines of ASCII, and each header once."""
    raw = message(replace(LETTER, recipient_name="Zuzana Marková", subject="Škola £5 " * 20)).as_bytes(
        policy=SMTP
    )
    lines = raw.split(b"\r\n")
    assert raw.isascii()
    assert max(map(len, lines)) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")
    head = [line.partition(b":")[0].lower() for line in raw.partition(b"\r\n\r\n")[0].split(b"\r\n")]
    names = [name for name in head if name and not name[:1].isspace()]
    assert len(set(names)) == len(names)
    assert {b"from", b"to", b"date", b"message-id", b"subject", b"mime-version"} <= set(names)


@pytest.mark.parametrize(
    "address",
    ["", "nobody", "a@", "@b.example", "a@b.example, c@d.example", "A <a@b.example>", "a b@c.example"],
)
def test_only_one_bare_address_is_accepted(address: str) -> None:
    with pytest.raises(UnsafeHeader):
        message(recipient_address=address)


@pytest.mark.parametrize(
    "name",
    [
        "Okafor, Jane <evil@evil.example>, " * 8,
        "Ökafor, Ďžane; team: " * 12,
        '"quoted" \\ (comment) ' * 10,
        "李小龍," * 60,
        "",
    ],
)
def test_a_name_never_becomes_another_recipient(name: str) -> None:
    read = read_back(message(replace(LETTER, recipient_name=name)))
    assert [address.addr_spec for address in read["To"].addresses] == ["jane.okafor@trust.example"]
    assert read["Bcc"] is None


@pytest.mark.parametrize(
    "subject",
    [
        LETTER.subject,
        "Świąteczny list — 李小龍 £3,400 " * 12 + "end",
        "word " * 90 + "£",
        "£" * 300,
        "a" * 300,
        f"Answer at {URL}?£",
    ],
)
def test_a_subject_comes_back_whole(subject: str) -> None:
    built = message(replace(LETTER, subject=subject))
    # The second is how aiosmtplib flattens a message: with a policy of its own.
    for raw in (built.as_bytes(), built.as_bytes(policy=SMTP)):
        assert message_from_bytes(raw, policy=SMTP)["Subject"].strip() == subject


@pytest.mark.parametrize(
    "name", ["Zoë Ünal of the Forum for Everybody in the North of Kensington and Chelsea", "李小龍"]
)
def test_a_name_comes_back_whole(name: str) -> None:
    (address,) = read_back(message(replace(LETTER, recipient_name=name)))["To"].addresses
    assert address.display_name == name.strip()


def test_the_attachment_has_a_harmless_name() -> None:
    (attached,) = read_back(message(replace(LETTER, reference='../..\\a"b;c 李'))).iter_attachments()
    assert re.fullmatch(r"letter-[A-Za-z0-9._-]+\.pdf", attached.get_filename() or "")


@pytest.mark.parametrize("asks", [True, False])
def test_a_pledge_is_offered_where_money_is_asked_for(asks: bool) -> None:
    letter = replace(LETTER, asks=asks, evidence=None)
    said = [" ".join(render_text(letter).split()), " ".join(Words(render_html(letter)).said)]
    for words in [*said, " ".join(pages(render_pdf(letter)))]:
        assert ("make a pledge" in words) is asks
        assert "say no, or ask us something" in words
