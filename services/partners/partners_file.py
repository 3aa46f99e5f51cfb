"""Our list of partners as a CSV file: its columns, and the faults that its lines may have.

Knows nothing of the register: what is wrong here is wrong wherever the file is read.
"""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from chassis import sheets
from chassis.house import House
from chassis.sheets import Column, Fault, Row, Unreadable


def columns(house: House) -> list[Column]:
    """The columns of the file; codes are those of the house's lists."""
    lists = house.lists
    channels = [code for code in lists["channels"] if code in NEEDED_FOR]
    return [
        Column(name="identifier", read=_identifier, required=True, aliases=("org-id",)),
        Column(name="name", read=sheets.text(200), required=True, aliases=("organisation",)),
        Column(name="kinds", read=sheets.many_of(lists["kinds"]), required=True, aliases=("kind",)),
        Column(name="areas", read=sheets.many_of(lists["areas"])),
        Column(name="closeness", read=sheets.one_of(lists["closeness"]), required=True),
        Column(name="opened_on", read=sheets.iso_date),
        Column(name="closed_on", read=sheets.iso_date),
        Column(name="successor", read=_identifier),
        Column(name="postal_address", read=_address, multiline=True, aliases=("address",)),
        Column(name="postcode", read=sheets.postcode),
        Column(name="telephone", read=sheets.telephone, aliases=("phone",)),
        Column(name="website", read=website),
        Column(name="contact_name", read=sheets.text(200)),
        Column(name="contact_role", read=sheets.one_of(lists["contact_roles"])),
        Column(name="contact_channel", read=sheets.one_of(channels)),
        Column(name="contact_email", read=sheets.email_address, aliases=("e-mail", "email")),
        Column(name="contact_address", read=_address, multiline=True),
        Column(name="contact_postcode", read=sheets.postcode),
        Column(name="contact_source", read=sheets.text(300)),
        Column(name="contact_listed_on", read=sheets.iso_date),
        Column(name="contact_withdrawn_on", read=sheets.iso_date),
    ]


ORGANISATION_COLUMNS = (
    *("name", "kinds", "areas", "closeness", "opened_on", "closed_on", "successor"),
    *("postal_address", "postcode", "telephone", "website"),
)
CONTACT_COLUMNS = (
    *("contact_name", "contact_role", "contact_channel", "contact_email", "contact_address"),
    *("contact_postcode", "contact_source", "contact_listed_on", "contact_withdrawn_on"),
)
#: What people call each column.
WORDS: Mapping[str, str] = {
    "identifier": "Identifier",
    "name": "Name",
    "kinds": "Kinds",
    "areas": "Areas",
    "closeness": "How closely we work",
    "opened_on": "Opened",
    "closed_on": "Closed",
    "successor": "Who took over",
    "postal_address": "Postal address",
    "postcode": "Postcode",
    "telephone": "Telephone",
    "website": "Website",
    "contact_name": "Contact: name",
    "contact_role": "Contact: role",
    "contact_channel": "Contact: how we write",
    "contact_email": "Contact: e-mail address",
    "contact_address": "Contact: postal address",
    "contact_postcode": "Contact: postcode",
    "contact_source": "Contact: where we got the address",
    "contact_listed_on": "Contact: listed",
    "contact_withdrawn_on": "Contact: withdrawn",
}

#: What every contact has, and what a channel needs besides.
NEEDED = ("contact_name", "contact_role", "contact_channel", "contact_source", "contact_listed_on")
NEEDED_FOR = {"email": ("contact_email",), "post": ("contact_address", "contact_postcode")}


def _identifier(cell: str) -> str:
    if not re.fullmatch(r"(?:[A-Z]{2}-[A-Z0-9]{2,10}|CONDUIT)-[A-Za-z0-9][A-Za-z0-9._-]{0,39}", cell):
        raise Unreadable(
            "This is not an identifier.",
            "Write an org-id such as GB-CHC-1047692, or CONDUIT- and a short name where there is none.",
        )
    return cell


_address_lines = sheets.lines()


def _address(cell: str) -> tuple[str, ...]:
    found = _address_lines(cell)
    if len(found) > 8 or any(len(line) > 200 for line in found):
        raise Unreadable("The address is too long.", "Write at most 8 lines of at most 200 characters.")
    return found


def website(cell: str) -> str:
    """The address of a website, with https:// before one that says nothing of the kind."""
    given = cell if re.match("https?://", cell, re.IGNORECASE) else f"https://{cell}"
    try:
        parts = urlsplit(given)
        usable = bool(re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]{1,5})?", parts.netloc.lower()))
    except ValueError:
        usable = False
    if not usable or not given.isascii() or re.search(r"[\s<>\"'`\\]", given) or len(given) > 300:
        raise Unreadable(
            "This is not the address of a website.",
            "Write it like https://www.body.example, or leave it out.",
        )
    scheme, _, rest = given.partition("://")
    return f"{scheme.lower()}://{rest}"


def faults_in(row: Row) -> Iterator[Fault]:
    """What is wrong with a line in itself, whatever the other lines say."""
    yield from _organisation_faults(row)
    yield from _contact_faults(row)


def _organisation_faults(row: Row) -> Iterator[Fault]:
    opened, closed = row.cells["opened_on"], row.cells["closed_on"]
    if opened and closed and closed < opened:
        yield _fault(row.line, "closed_on", "It closed before it opened.", "Correct one of the two dates.")
    if row.cells["successor"] and row.cells["successor"] == row.cells["identifier"]:
        yield _fault(
            row.line, "successor", "An organisation cannot succeed itself.", "Name another, or none."
        )


def _contact_faults(row: Row) -> Iterator[Fault]:
    """What a line's contact lacks; a line without any contact is good."""
    cells = row.cells
    if all(cells[column] is None for column in CONTACT_COLUMNS):
        return
    for column in (*NEEDED, *NEEDED_FOR.get(cells["contact_channel"], ())):
        if cells[column] is None:
            yield _fault(
                row.line,
                column,
                "The contact of this line lacks it.",
                "Fill it in, or empty every contact column of the line.",
            )
    listed, withdrawn = cells["contact_listed_on"], cells["contact_withdrawn_on"]
    if listed and withdrawn and withdrawn < listed:
        yield _fault(
            row.line,
            "contact_withdrawn_on",
            "The contact was withdrawn before being listed.",
            "Correct one of the two dates.",
        )


def _fault(line: int, column: str, fault: str, cure: str) -> Fault:
    return Fault(line=line, column=column, fault=fault, cure=cure)
