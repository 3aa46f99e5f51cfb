"""The rules by which somebody may be helped in a round, each by its name. A refusal names its rule.

A round chooses which of them it goes by. What a rule says is here; what it finds out, where applications are
checked.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """One rule."""

    #: What must hold, for staff and for whoever applies.
    asks: str
    #: What is said to whoever does not meet it.
    refusal: str
    #: It asks for immigration status: only where the funder's terms require it, and they are on file.
    of_status: bool = False


RULES: Mapping[str, Rule] = {
    "profession": Rule(
        "They belong to a profession that the round is for.",
        "This round is for other professions.",
    ),
    "qualified_abroad": Rule(
        "They qualified outside the UK.",
        "This round is for people who qualified outside the UK.",
    ),
    "area": Rule(
        "They live in an area that we serve.",
        "This round is for people who live in the areas that we serve.",
    ),
    "exam_ahead": Rule(
        "They have not passed the exam yet.",
        "This round pays for exams that are still to be passed.",
    ),
    "first_time": Rule(
        "They have had no award for the same exam before.",
        "We have paid for this exam for you before.",
    ),
    "once_in_a_round": Rule(
        "They have sent no other application in this round.",
        "You have sent another application in this round.",
    ),
    "status": Rule(
        "Their immigration status is one that the funder’s terms ask for.",
        "The funder’s terms ask for an immigration status that you did not show.",
        of_status=True,
    ),
}
