"""What may never happen to a released fact, rule by rule, on altered copies of the real shapes."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from marshmallow import fields, validate

from contracts.catalogue import released, shapes
from contracts.envelope import Fact
from contracts.shapes import breaking_changes, shape_of
from contracts.topology import GRANTS

COUNTED = "grants.registrations_counted.v1"
LISTED = "partners.contact_listed.v1"
ANSWERED = "notifications.letter_answered.v1"
SENT = "notifications.letter_sent.v1"
REGISTERED = "partners.organisation_registered.v1"

Alteration = Callable[[dict[str, Any]], Any]


def altered(type_: str, alteration: Alteration) -> dict[str, Any]:
    """All shapes, with one of them altered."""
    changed = copy.deepcopy(shapes())
    alteration(changed[type_])
    return changed


def test_nothing_that_was_released_has_changed() -> None:
    assert breaking_changes(released(), shapes()) == []


def test_the_same_shapes_are_compatible() -> None:
    assert breaking_changes(shapes(), shapes()) == []


@pytest.mark.parametrize(
    "alteration",
    [
        lambda fact: fact["fields"].update(note={"kind": "text", "required": False, "nullable": True}),
        lambda fact: fact["subscribers"].append("partners"),
    ],
    ids=["an optional field", "a subscriber"],
)
def test_what_is_free(alteration: Alteration) -> None:
    assert breaking_changes(shapes(), altered(COUNTED, alteration)) == []


def test_a_new_fact_is_free() -> None:
    assert breaking_changes({}, shapes()) == []


def test_a_removed_fact_is_put_back() -> None:
    left = {type_: shape for type_, shape in shapes().items() if type_ != COUNTED}
    [message] = breaking_changes(shapes(), left)
    assert message == (
        f"{COUNTED} was removed. Put the class back; it goes when no queue binds the key any more, and then "
        "its entry is taken out of contracts/released.json by hand."
    )


def test_a_lost_subscriber_still_has_its_binding() -> None:
    [message] = breaking_changes(
        shapes(), altered(REGISTERED, lambda fact: fact["subscribers"].remove("grants"))
    )
    assert message.startswith(
        f"{REGISTERED} is no longer heard by grants, whose queue is still bound to the key."
    )


def set_field(name: str, **values: Any) -> Alteration:
    """Change what a field is; dots lead into its parts."""

    def alter(fact: dict[str, Any]) -> None:
        first, *inner = name.split(".")
        field = fact["fields"][first]
        for step in inner:
            field = field["items"] if step == "[]" else field["fields"][step]
        field.update(values)

    return alter


@pytest.mark.parametrize(
    ("type_", "alteration", "what"),
    [
        (COUNTED, lambda fact: fact["fields"].pop("area"), "area was removed, and readers need it"),
        (COUNTED, set_field("count", kind="text"), "count was whole number and is text"),
        (
            COUNTED,
            lambda fact: fact["fields"].update(country={"kind": "text", "required": True, "nullable": False}),
            "country is new and required, and messages on their way do not have it",
        ),
        (
            COUNTED,
            set_field("area", required=False),
            "area became optional, and not every reader or message on its way is ready for that",
        ),
        (
            COUNTED,
            set_field("area", nullable=True),
            "area became nullable, and not every reader or message on its way is ready for that",
        ),
        (
            SENT,
            set_field("ask", nullable=False),
            "ask became never null, and not every reader or message on its way is ready for that",
        ),
        (
            COUNTED,
            set_field("count", range=[1, 10**9]),
            "count had range [0, 1000000000] and has [1, 1000000000]",
        ),
        (COUNTED, set_field("count", range=None), "count had range [0, 1000000000] and has none"),
        (COUNTED, set_field("area", length=[1, 9]), "area had length [1, 60] and has [1, 9]"),
        (
            ANSWERED,
            set_field("answer", values=["asked", "pledged"]),
            'answer had values ["asked", "declined", "pledged", "will_meet"] and has ["asked", "pledged"]',
        ),
        (
            ANSWERED,
            set_field("answer", values=["asked", "declined", "pledged", "thanked"]),
            'answer had values ["asked", "declined", "pledged", "will_meet"] and has '
            '["asked", "declined", "pledged", "thanked"]',
        ),
        (SENT, set_field("ask.currency", values=["EUR"]), 'ask.currency had values ["GBP"] and has ["EUR"]'),
        (SENT, set_field("ask.amount_pence", kind="text"), "ask.amount_pence was whole number and is text"),
        (REGISTERED, set_field("kinds.[]", kind="uuid"), "kinds[] was text and is uuid"),
        (LISTED, set_field("address", to="grants"), 'address had to "notifications" and has "grants"'),
        (
            LISTED,
            lambda fact: fact["fields"]["address"]["fields"].pop("email"),
            "address.email was removed, and readers need it",
        ),
    ],
)
def test_anything_else_is_a_new_fact_beside_the_old(type_: str, alteration: Alteration, what: str) -> None:
    [message] = breaking_changes(shapes(), altered(type_, alteration))
    name = "".join(word.capitalize() for word in type_.split(".")[1].split("_"))
    assert message == f"{type_}: {what}. Leave the released class alone and add {name}V2 beside it."


def test_the_second_version_is_followed_by_a_third() -> None:
    old = {"grants.registrations_counted.v2": shapes()[COUNTED]}
    new = altered(COUNTED, lambda fact: fact["fields"].pop("area"))
    [message] = breaking_changes(old, {"grants.registrations_counted.v2": new[COUNTED]})
    assert message.endswith("add RegistrationsCountedV3 beside it.")


def test_a_field_or_a_limit_that_nobody_can_describe_is_refused() -> None:
    class Measured(Fact):
        """Only here."""

        OWNER, NAME, SUBSCRIBERS = GRANTS, "measured", ()
        size = fields.Float()

    class Matched(Fact):
        """Only here."""

        OWNER, NAME, SUBSCRIBERS = GRANTS, "matched", ()
        code = fields.String(validate=validate.Regexp("x"))

    with pytest.raises(TypeError, match="Float has no place in a contract yet"):
        shape_of(Measured)
    with pytest.raises(TypeError, match="use OneOf, Length or Range"):
        shape_of(Matched)
