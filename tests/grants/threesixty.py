"""What 360Giving 1.4 asks of a file of grants to people, as a JSON schema of our own making.

Told after the standard's reference and lists of codes: which fields there are, what each is called at the
head of a column, what it holds and which are required. It is stricter than the standard, which lets fields
through that it does not know: a field that nobody has thought of is none that may be published.
"""

from typing import Any

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
            "amountAwarded": {"type": "number", "title": "Amount Awarded"},
            "awardDate": _text("Award Date", pattern=_DAY),
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
_PUBLISHER = {"identifier": _text("Identifier"), "name": _text("Name"), "website": _ADDRESS}

PACKAGE: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    **_thing(
        "Package",
        {
            "grants": {**_list("Grants", GRANT), "uniqueItems": True},
            "version": {"type": "string", "enum": ["1.4"]},
            **dict.fromkeys(("title", "description", "identifier"), _text("")),
            "issued": {"type": "string", "pattern": _DAY},
            "modified": {"type": "string", "format": "date-time"},
            "publisher": _thing("Publisher", _PUBLISHER, "name"),
            **dict.fromkeys(("accessURL", "downloadURL", "license"), _ADDRESS),
        },
        "grants",
    ),
}
