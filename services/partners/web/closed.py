"""What stands in place of a form where an organisation has closed (closed_parts.html)."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from services.partners.web.hrefs import LIST


def closed_body(organisation: Mapping[str, Any], today: date) -> dict[str, Any] | None:
    """Where the page of a closed organisation is, and of whoever took over; nothing when it is open."""
    merged, closed_on = organisation["merged_into"], organisation["closed_on"]
    if merged is None and (closed_on is None or closed_on > today):
        return None
    successor = merged or organisation["successor_id"]
    name = "the organisation that it is one with" if merged else organisation["successor_name"]
    return {
        "href": f"{LIST}/{organisation['id']}",
        "successor": {"href": f"{LIST}/{successor}", "name": name} if successor else None,
    }
