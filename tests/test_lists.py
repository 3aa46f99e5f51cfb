"""A mistake in a list of the house file is named with its table, its entry, what is wrong and the cure."""

import pytest

from chassis.house import HouseError, house_of
from services.lists import Lists
from services.start import starter_house
from tests.conftest import EXAMPLES

STARTER = starter_house("Harbour Lights", "office@harbour.example")


def refused(text: str) -> str:
    with pytest.raises(HouseError) as caught:
        house_of(text, lists=Lists)
    return str(caught.value)


def test_the_example_and_what_init_writes_are_sound() -> None:
    for text in (STARTER, (EXAMPLES / "house.toml").read_text(encoding="utf-8")):
        assert house_of(text, lists=Lists).lists["channels"]


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (
            "[[lists.postage]]",
            "[[lists.stamps]]",
            "lists.stamps is not known here. Take it out, or",
        ),
        ("pence = 87", "pence = 87\nnope = 1", "lists.postage[1].nope is not known here."),
        ("pence = 87", "pence = 0.87", "lists.postage[1].pence must be whole pence. Write £215.00 as 21500"),
        ("fee_pence = 21500", "fee_pence = 215.00", "lists.purposes[1].fee_pence must be whole pence."),
        ("fee_pence = 21500", "fee_pence = -1", "lists.purposes[1].fee_pence must be whole pence."),
        (
            'professions = ["dentist"]',
            'professions = ["dentst"]',
            'lists.purposes[1].professions names "dentst", which is not in lists.professions. Correct it',
        ),
        (
            'purposes = ["ielts"]',
            'purposes = ["eilts"]',
            'lists.restrictions[1].purposes names "eilts", which is not in lists.purposes.',
        ),
        ('purposes = ["ielts"]', 'purposes = "ielts"', "lists.restrictions[1].purposes must be a list."),
        ('purposes = ["ielts"]', "purposes = [1]", "lists.restrictions[1].purposes[1] must be text."),
        (
            'code = "email"',
            'code = "mail"',
            'lists.channels[1].code is "mail". Post travels as',
        ),
        (
            "column = 2",
            "column = 1",
            'lists.areas[2].column and row are those of "E09000020"',
        ),
        (
            "column = 1",
            'column = "1"',
            "lists.areas[1].column must be a whole number from 1.",
        ),
        ("column = 1", "column = 0", "lists.areas[1].column must be a whole number from 1."),
        ("column = 1\n", "", "lists.areas[1].column is missing. Write it beside row"),
        ("[[lists.needs]]", "[[lists.need]]", "lists.need is not known here."),
    ],
)
def test_a_mistake_is_named_with_its_place_and_its_cure(before: str, after: str, says: str) -> None:
    assert before in STARTER
    assert refused(STARTER.replace(before, after, 1)).startswith(says)


def test_a_list_that_pages_need_must_be_there() -> None:
    head, _, rest = STARTER.partition("# Languages that services")
    without = head + rest[rest.index("# What people may apply") :]
    assert refused(without).startswith("lists.languages is missing. Write at least one of its tables")


def test_a_channel_and_the_map_may_be_left_out() -> None:
    text = STARTER.replace('[[lists.channels]]\ncode = "post"\nname = "Post"\n', "")
    text = text.replace("column = 1\nrow = 1\n", "").replace("column = 2\nrow = 1\n", "")
    house = house_of(text, lists=Lists)
    assert list(house.lists["channels"]) == ["email"]
    assert not house.lists["areas"]["E09000020"].attributes
