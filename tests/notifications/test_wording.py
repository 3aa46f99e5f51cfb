"""Templates: what may stand in braces, what is wrong where, and that nothing in a value is ever read."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.notifications.wording import MERGE_FIELDS, UnknownField, check_template, merge


def test_every_field_is_described_and_can_be_merged() -> None:
    template = " ".join(f"{{{name}}}" for name in MERGE_FIELDS)
    assert check_template(template, "Hello {body_name}") == []
    assert merge(template, dict.fromkeys(MERGE_FIELDS, "x")) == " ".join("x" for _ in MERGE_FIELDS)


def test_faults_name_their_line_and_column() -> None:
    faults = check_template("Dear {contact_nam},\n\nyour {ask\nand } more {}", "To {body}")
    assert [(f.part, f.line, f.column) for f in faults] == [
        ("subject", 1, 4),
        ("body", 1, 6),
        ("body", 3, 6),
        ("body", 4, 5),
        ("body", 4, 12),
    ]
    assert faults[1].words == "There is no field {contact_nam}. Did you mean {contact_name}?"
    assert faults[2].words.startswith("This brace is never closed")
    assert faults[3].words.startswith("This brace closes nothing")


def test_empty_templates_and_long_subjects_are_faults() -> None:
    assert [f.part for f in check_template(" ", "")] == ["subject", "body"]
    assert [f.words for f in check_template("Hello", "one\ntwo")] == ["The subject must be one line."]


@pytest.mark.parametrize(
    "field", ["{contact_name.__class__}", "{contact_name!r}", "{contact_name:>9}", "{0}", "{{ask}}"]
)
def test_nothing_but_a_plain_name_is_a_field(field: str) -> None:
    assert check_template(field, "s") != [] or merge(field, {"ask": "£1"}) == "{£1}"


def test_values_come_out_as_they_went_in() -> None:
    hostile = "{ask} {{ask}} %s ${x} {contact_name.__class__} \\1 \\g<0>"
    assert (
        merge("Dear {contact_name}: {ask}", {"contact_name": hostile, "ask": "£1"}) == f"Dear {hostile}: £1"
    )


@given(some.text(), some.text())
def test_any_value_is_merged_once(before: str, value: str) -> None:
    template = re.sub(r"[{}]", "", before) + "{ask}"
    assert merge(template, {"ask": value}) == template.removesuffix("{ask}") + value


def test_a_field_without_a_value_is_refused() -> None:
    with pytest.raises(UnknownField):
        merge("{ask}", {})
