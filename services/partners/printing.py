"""An agreement as a PDF, for whoever signs it. Nothing here knows the database or the clock."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from chassis.clock import LOCAL
from chassis.press import Press, all_printable
from chassis.web import day
from services.partners.terms import TEXTS, Side, Terms

_press = Press(Path(__file__).parent / "agreement.typ", "agreement.json")

_WAYS = {"signed_in": "signed in Conduit", "link": "by their own link", "paper": "on paper"}


def print_agreement(
    version: Mapping[str, Any], signatures: Sequence[Mapping[str, Any]], name_of: Callable[[UUID], str]
) -> bytes:
    """A version as it was offered, with whoever has signed it; may be called from any thread.

    Args:
        version: the row, with its content.
        signatures: the rows of this version.
        name_of: an owner's name, by their id.
    """
    content = version["content"]
    terms, ours, theirs = Terms.of(content["terms"]), content["house"], content["organisation"]["name"]
    offered = version["offered_at"].astimezone(LOCAL).date()
    values = {
        "title": terms.title,
        "date": {"year": offered.year, "month": offered.month, "day": offered.day},
        "between": [ours, theirs],
        "version": f"Version {version['number']}, {day(offered)}",
        "parts": [
            {"label": label, "lines": getattr(terms, name).split("\n")}
            for name, label in TEXTS.items()
            if name != "title"
        ],
        "outcomes": [
            {
                "what": each.what,
                "measure": each.measure,
                "due": day(each.due_on),
                "owner": name_of(each.owner_id) if each.owner_id else "",
            }
            for each in terms.outcomes
        ],
        "reviews": ", ".join(map(day, terms.reviews)),
        "signatures": [
            _signature(side, body, signatures) for side, body in zip(Side, (ours, theirs), strict=True)
        ],
        "digest": bytes(version["digest"]).hex(),
    }
    return _press.print(all_printable(values), offered)


def _signature(side: Side, body: str, signatures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    for each in signatures:
        if each["side"] == side:
            when = f"{day(each['signed_at'])}, {_WAYS[each['way']]}"
            return {"body": body, "name": each["name"], "position": each["position"], "when": when}
    return {"body": body, "name": "", "position": "", "when": ""}
