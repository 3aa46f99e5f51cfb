"""Templates: what may stand in braces, what is wrong where, and that nothing in a value is ever read."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.notifications.wording import MERGE_FIELDS, MISSING, UnknownField, check_template, merge


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


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{name}", "There is no field {name}. Did you mean {contact_name}?"),
        ("{First name}", "There is no field {First name}. Did you mean {contact_name}?"),
        ("{link}", "There is no field {link}. Did you mean {response_url}?"),
        ("{ body_name }", "Write {body_name} in small letters, with no space inside the braces."),
        ("{Body_name}", "Write {body_name} in small letters, with no space inside the braces."),
        ("{{body_name}}", "Write a field with one brace on each side: {body_name}."),
        ("{{ name }}", "Write a field with one brace on each side: {contact_name}."),
        ("{{write}}", "Write a field with one brace on each side: {contact_name}."),
    ],
)
def test_what_is_nearly_a_field_is_one_fault_that_names_the_field(written: str, said: str) -> None:
    assert [fault.words for fault in check_template(f"Dear {written},", "s")] == [said]


def test_empty_templates_and_long_subjects_are_faults() -> None:
    assert [f.part for f in check_template(" ", "")] == ["subject", "body"]
    assert [f.words for f in check_template("Hello", "one\ntwo")] == ["The subject must be one line."]


def test_what_is_missing_is_said_in_words_and_a_condition_takes_it_as_empty() -> None:
    values = {"registered": MISSING, "ask": MISSING, "evidence_date": MISSING}
    assert merge("{registered} dentists on {evidence_date}: we ask for {ask}.", values) == (
        "An unknown number of dentists on a day that is not known yet: "
        "we ask for a sum that is not known yet."
    )
    assert merge("We ask{if ask} for {ask}{else} nothing{end}.", values) == "We ask nothing."


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


@pytest.mark.parametrize(
    ("template", "letter"),
    [
        ("{registered} dentists, then {registered}.", "Fewer than five dentists, then fewer than five."),
        ("Dear Ng,\n\n{registered} live there.", "Dear Ng,\n\nFewer than five live there."),
        ("It is so. {registered} live there.", "It is so. Fewer than five live there."),
        ("It is so.\n{registered} live there.", "It is so.\nFewer than five live there."),
        ("We said “no!” “{registered} live there.”", "We said “no!” “Fewer than five live there.”"),
        ("{if fund}{registered} live there.{end}", "Fewer than five live there."),
        ("We know that\n{registered} live there.", "We know that\nfewer than five live there."),
        ("Some, e.g. {registered}.", "Some, e.g. fewer than five."),
        ("- {registered} live there", "- fewer than five live there"),
        ("{house_short_name} and {contact_name} met.", "The Forum and van Dijk met."),
        ("{contact_name} came.", "van Dijk came."),
        ("{contact_role_in_text} knows {contact_role_in_text}.", "The director knows the director."),
    ],
)
def test_at_the_beginning_of_a_sentence_words_begin_with_a_capital_and_names_stay(
    template: str, letter: str
) -> None:
    values = {"registered": "fewer than five", "fund": "scheme", "house_short_name": "the Forum"}
    values |= {"contact_name": "van Dijk", "contact_role_in_text": "the director"}
    assert merge(template, values) == letter


@given(some.text(), some.text())
def test_any_value_is_merged_once(before: str, value: str) -> None:
    template = re.sub(r"[{}]", "", before) + "{ask}"
    assert merge(template, {"ask": value}) == template.removesuffix("{ask}") + value


def test_what_closes_a_sentence_is_set_apart_from_a_link() -> None:
    """Mail programs would take it into the link."""
    said = {"response_url": "https://forum.example/r/7k", "areas": "Sutton"}
    assert merge("At {response_url}. In {areas}.", said) == "At https://forum.example/r/7k . In Sutton."
    assert merge("({response_url})\n{response_url} now", said) == (
        "(https://forum.example/r/7k )\nhttps://forum.example/r/7k now"
    )


def test_a_field_without_a_value_is_refused() -> None:
    with pytest.raises(UnknownField):
        merge("{ask}", {})
