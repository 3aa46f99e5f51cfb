"""What is due with one organisation, gathered from what its page shows of each part."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from chassis.clock import LOCAL

#: How far ahead the page looks.
AHEAD = timedelta(days=60)


def of_organisation(shown: Mapping[str, Any], today: date) -> list[dict[str, Any]]:
    """One line for each thing, the soonest first; our turn has no day, and comes before."""
    lines = [
        {"what": what, "href": href, "on": on, "late": on is not None and on < today}
        for what, href, on in (*_turns(shown), *_dated(shown))
        if on is None or on <= today + AHEAD
    ]
    return sorted(lines, key=lambda line: line["on"] or date.min)


def _turns(shown: Mapping[str, Any]) -> Iterator[tuple[str, str, None]]:
    for it in shown["agreements"]:
        if it["ours"]:
            yield f"{it['turn']}: “{it['title']}”", it["href"], None


def _dated(shown: Mapping[str, Any]) -> Iterator[tuple[str, str, date]]:
    for it in shown["agreements"]:
        if it["review_on"]:
            yield f"Look together at “{it['title']}”", it["href"], it["review_on"]
    for it in shown["agreed_outcomes"]:
        owner = "nobody" if it["unowned"] else it["owner"]
        yield f"{it['what']} (owned by {owner})", it["href"], it["due_on"]
    for it in shown["referrals"]:
        if it["due_on"]:
            yield f"Ask again about referral {it['reference']}", it["href"], it["due_on"]
    for it in shown["timeline_to_come"]:
        yield it["what"], it["href"], it["at"].astimezone(LOCAL).date()
