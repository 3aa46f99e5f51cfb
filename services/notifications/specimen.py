"""A letter to nobody: where no letter is made yet, it shows what each will say around its words."""

from typing import Any

from chassis.context import Context
from services.notifications.campaigns import formula_words_of
from services.notifications.preparing import letterhead_of, signed_by
from services.notifications.wording import fields_for


def specimen(context: Context, campaign: Any, signatory: str) -> dict[str, Any]:
    """A letter of a campaign as the statement that reads one gives it, as far as it says something.

    What is another in every letter stands in brackets, described.

    Args:
        signatory: a code of the house's list; described as well when it is none.
    """
    values = {name: f"[{words}]" for name, words in fields_for(asks=campaign["asks"]).items()}
    values |= signed_by(context.house, signatory)
    letterhead = letterhead_of(context)
    return {
        "reference": "[the letter’s own number]",
        "dated": None,
        "subject": campaign["subject"],
        "body": campaign["body"],
        "evidence_source": values.get("evidence_source"),
        "formula_version": campaign["formula_version"],
        "frozen": {
            **letterhead,
            "values": values | letterhead["values"],
            "recipient_address": ["[their postal address]"],
            "address_source": "[where we have it from]",
            "formula": formula_words_of(context.house, campaign),
            "figure": "[how many registered people live there]" if campaign["asks"] else None,
            "counted_on": values.get("evidence_date"),
        },
    }
