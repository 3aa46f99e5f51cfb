"""What 360Giving 1.4 asks of a file of grants to people, as a JSON schema of our own making.

Told after the standard's reference and lists of codes: which fields there are, what each is called at the
head of a column, what it holds and which are required. It is stricter than the standard, which lets fields
through that it does not know: a field that nobody has thought of is none that may be published.
"""

import re
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import jsonschema

#: What a “format” means: of a moment and of an address, which need packages of their own otherwise, and
#: without them are accepted whatever they are.
FORMATS = jsonschema.FormatChecker(["date"])

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def is_moment(value: object) -> bool:
    """Whether it is a moment as RFC 3339 writes it: with its offset."""
    return isinstance(value, str) and bool(_MOMENT.fullmatch(value) and datetime.fromisoformat(value))


def is_address(value: object) -> bool:
    """Whether it is a whole address of the web, with nothing that must not stand in one."""
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]+", value):
        return False
    parts = urlsplit(value)
    return parts.scheme in ("http", "https") and bool(parts.netloc)


FORMATS.checkers |= {"date-time": (is_moment, ValueError), "uri": (is_address, ValueError)}

_DAY = r"^[0-9]{4}-(0[1-9]|1[012])-(0[1-9]|[12][0-9]|3[01])$"
#: Why somebody was given something, and what for: of the standard's lists, which are closed.
REASONS = [f"GTIR{number:03}" for number in range(10, 121, 10)]
PURPOSES = [f"GTIP{number:03}" for number in range(10, 171, 10)]


def _text(title: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "title": title, "minLength": 1, **more}


def _thing(title: str, fields: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "title": title,
        "properties": fields,
        "additionalProperties": False,
        **({"required": [*required]} if required else {}),
    }


def _list(title: str, items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "title": title, "items": items, "minItems": 1}


_BODY = _thing("Organisation", {"id": _text("Identifier"), "name": _text("Name")}, "id", "name")
_PROGRAMME = _thing("Programme", {"title": _text("Title")})
_DETAILS = {
    "primaryGrantReason": _text("Primary Grant Reason", enum=REASONS),
    "grantPurpose": _list("Grant Purpose", {"type": "string", "enum": PURPOSES}),
}

GRANT: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    **_thing(
        "Grant",
        {
            "id": _text("Identifier", pattern="^360G-[A-Za-z0-9]+-.+"),
            "title": _text("Title", maxLength=140),
            "description": _text("Description"),
            "currency": _text("Currency", enum=["GBP"]),
            "amountAwarded": {
                "type": "number",
                "title": "Amount Awarded",
                "minimum": 0,
                "exclusiveMinimum": True,
            },
            "awardDate": _text("Award Date", pattern=_DAY, format="date"),
            "recipientIndividual": _thing(
                "Recipient Ind", {"id": _text("Identifier"), "name": _text("Name")}, "id", "name"
            ),
            "fundingOrganization": {**_list("Funding Org", _BODY), "rollUp": ["id", "name"]},
            "grantProgramme": {**_list("Grant Programme", _PROGRAMME), "rollUp": ["title"]},
            "fromOpenCall": _text("From An Open Call?", enum=["Yes", "No"]),
            "toIndividualsDetails": _thing("To Individuals Details", _DETAILS),
        },
        *("id", "title", "description", "currency", "amountAwarded", "awardDate"),
        *("fundingOrganization", "recipientIndividual"),
    ),
}

_ADDRESS = {"type": "string", "format": "uri"}
#: An org-id: the list that a number is of, and the number.
_ORG_ID = r"^[A-Z]{2}-[A-Z0-9]+-[A-Za-z0-9.-]+$"
_PUBLISHER = {
    "identifier": _text("Identifier", pattern=_ORG_ID),
    "name": _text("Name"),
    "website": _ADDRESS,
}
_FIELDS: dict[str, Any] = {
    "grants": {**_list("Grants", GRANT), "uniqueItems": True},
    "version": {"type": "string", "enum": ["1.4"]},
    **dict.fromkeys(("title", "description", "identifier"), _text("")),
    "issued": {"type": "string", "pattern": _DAY, "format": "date"},
    "modified": {"type": "string", "format": "date-time"},
    "publisher": _thing("Publisher", _PUBLISHER, *_PUBLISHER),
    **dict.fromkeys(("accessURL", "downloadURL", "license"), _ADDRESS),
}

#: The standard asks for the grants only; here all of it is there.
PACKAGE: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    **_thing("Package", _FIELDS, *_FIELDS),
}


def check(document: Any) -> None:
    """Refuse what the standard would."""
    jsonschema.Draft4Validator(PACKAGE, format_checker=FORMATS).validate(document)
