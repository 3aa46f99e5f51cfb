"""The rules of a letter: its ask, its states, its clock and its link."""

from __future__ import annotations

import re
from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chassis.links import link_digest
from chassis.working_days import working_days_after
from services.notifications.domain import (
    ANSWER_STAGES,
    BODY_STATUSES,
    LETTER_STAGES,
    AnswerKind,
    AnswerState,
    AskFormula,
    BlockReason,
    BodyStatus,
    InvalidFormula,
    LetterState,
    answer_after,
    block_reason,
    can,
    late_on,
    message_id,
    pounds,
    registered_words,
    response_token,
)

FORUM = AskFormula(version=1, least_pence=300000, each_pence=1000, step_pence=10000, most_pence=500000)
LETTER = UUID("0192f0c1-2b3c-7d4e-8f50-61728394a5b6")
KEY = bytes(range(32))


# The ask


@pytest.mark.parametrize(
    ("count", "pence"),
    [(1, 300000), (9, 300000), (10, 310000), (47, 340000), (199, 490000), (200, 500000), (3500, 500000)],
)
def test_the_forums_ask_is_rounded_down_and_capped(count: int, pence: int) -> None:
    assert FORUM.ask(count) == pence


@given(some.integers(0, 10**9), some.integers(0, 10**9))
def test_the_ask_never_falls_as_the_count_rises(one: int, other: int) -> None:
    fewer, more = sorted((one, other))
    assert 300000 <= FORUM.ask(fewer) <= FORUM.ask(more) <= 500000
    assert FORUM.ask(more) % 10000 == 0


def test_the_formula_in_words() -> None:
    assert FORUM.words("dentist") == (
        "£3,000, plus £10 for each registered dentist in the area, "
        "rounded down to the nearest £100, and never more than £5,000"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"step_pence": 0},
        {"most_pence": 200000},
        {"each_pence": -1},
        {"least_pence": 300050},
        {"version": 0},
        {"each_pence": 1.5},
    ],
)
def test_a_formula_that_makes_no_sense_is_refused(wrong: dict[str, int]) -> None:
    figures = {
        "version": 1,
        "least_pence": 300000,
        "each_pence": 1000,
        "step_pence": 10000,
        "most_pence": 500000,
    }
    with pytest.raises(InvalidFormula):
        AskFormula(**(figures | wrong))


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(InvalidFormula):
        FORUM.ask(-1)


@pytest.mark.parametrize(
    ("pence", "words"),
    [(340000, "£3,400"), (340050, "£3,400.50"), (0, "£0"), (5, "£0.05"), (-340005, "-£3,400.05")],
)
def test_money_is_printed_as_people_write_it(pence: int, words: str) -> None:
    assert pounds(pence) == words


def test_outsiders_never_read_a_count_from_one_to_four() -> None:
    assert [registered_words(n) for n in (0, 1, 4, 5, 1234)] == [
        "0",
        "fewer than five",
        "fewer than five",
        "5",
        "1,234",
    ]


# States


def test_every_state_has_its_row() -> None:
    assert set(LETTER_STAGES) == set(LetterState)
    assert set(ANSWER_STAGES) == set(AnswerState)
    assert set(BODY_STATUSES) == set(BodyStatus)


def test_a_letter_is_sent_only_by_way_of_sending_or_printing() -> None:
    assert can(LetterState.DRAFT, LetterState.READY)
    assert can(LetterState.READY, LetterState.SENDING)
    outcomes = {state for state in LetterState if can(LetterState.SENDING, state)}
    assert outcomes == {LetterState.SENT, LetterState.FAILED, LetterState.UNKNOWN, LetterState.READY}
    before_sent = {state for state in LetterState if can(state, LetterState.SENT)}
    assert before_sent == {LetterState.SENDING, LetterState.PRINTED, LetterState.UNKNOWN}
    assert {state for state in LetterState if can(state, LetterState.SENDING)} == {LetterState.READY}


def test_what_was_sent_stays_sent() -> None:
    assert not any(can(LetterState.SENT, state) for state in LetterState)


@pytest.mark.parametrize(
    ("current", "kind", "after"),
    [
        (AnswerState.SILENT, AnswerKind.ACKNOWLEDGE, AnswerState.ACKNOWLEDGED),
        (AnswerState.AUTO_REPLIED, AnswerKind.ASK, AnswerState.ASKED),
        (AnswerState.ACKNOWLEDGED, AnswerKind.DECLINE, AnswerState.DECLINED),
        (AnswerState.PLEDGED, AnswerKind.ACKNOWLEDGE, AnswerState.PLEDGED),
        (AnswerState.PLEDGED, AnswerKind.ASK, AnswerState.PLEDGED),
        (AnswerState.ASKED, AnswerKind.ACKNOWLEDGE, AnswerState.ASKED),
        (AnswerState.DECLINED, AnswerKind.PLEDGE, AnswerState.PLEDGED),
        (AnswerState.PLEDGED, AnswerKind.PLEDGE, AnswerState.PLEDGED),
    ],
)
def test_a_later_answer_never_lowers(current: AnswerState, kind: AnswerKind, after: AnswerState) -> None:
    assert answer_after(current, kind) is after


@given(some.sampled_from(AnswerKind))
def test_no_answer_moves_a_pledge_that_counts(kind: AnswerKind) -> None:
    assert answer_after(AnswerState.PLEDGED, kind, counted=True) is AnswerState.PLEDGED


@given(some.lists(some.sampled_from(AnswerKind)))
def test_what_was_answered_stays_answered(kinds: list[AnswerKind]) -> None:
    state = AnswerState.SILENT
    for kind in kinds:
        was_answered = state.is_answer
        state = answer_after(state, kind)
        assert state.is_answer or not was_answered


def test_the_word_overdue_is_nowhere_in_what_people_read() -> None:
    words = [status.staff for status in BODY_STATUSES.values()]
    words += [f"{row.staff} {row.public}" for row in LETTER_STAGES.values()]
    words += [f"{row.staff} {row.public}" for row in ANSWER_STAGES.values()]
    assert not [text for text in words if "overdue" in text.lower()]


# Why a letter cannot go

TODAY = date(2011, 11, 7)


def reason(**facts: object) -> BlockReason | None:
    usual: dict[str, object] = {"on": TODAY, "email": "a@trust.example", "counts": {"Sutton": 41}}
    block = block_reason(**(usual | facts))  # type: ignore[arg-type]
    if block is not None:
        assert block.words.endswith(".")
        assert block.cure.endswith(".")
    return block.reason if block else None


def test_a_letter_with_all_it_needs_may_go() -> None:
    assert reason() is None
    assert reason(counts={"Sutton": 0, "Merton": 3}) is None
    assert reason(closed_on=TODAY + timedelta(days=1)) is None
    assert reason(email=None, channel="post", postal_address=["1 Trust House"]) is None


def test_a_campaign_without_an_ask_needs_no_count() -> None:
    assert reason(asks=False, counts=None) is None


def test_what_blocks_a_letter() -> None:
    assert reason(closed_on=TODAY) is BlockReason.BODY_CLOSED
    assert reason(email=" ") is BlockReason.NO_EMAIL
    assert reason(channel="post", postal_address=[""]) is BlockReason.NO_POSTAL_ADDRESS
    assert reason(counts={}) is BlockReason.NO_AREA
    assert reason(counts={"Sutton": 4, "Merton": None}) is BlockReason.NOT_COUNTED
    assert reason(counts={"Sutton": 0, "Merton": 0}) is BlockReason.NO_REGISTRATIONS


def test_the_words_name_the_areas_and_the_successor() -> None:
    uncounted = block_reason(
        on=TODAY, email="a@b.example", counts={"Brent": None, "Sutton": None, "Ealing": None}
    )
    assert uncounted is not None
    assert "Brent, Sutton and Ealing" in uncounted.words
    closed = block_reason(on=TODAY, closed_on=date(2011, 4, 1), successor="Brent CCG")
    assert closed is not None
    assert (closed.words, closed.cure) == (
        "This body closed on 1 April 2011.",
        "Write to its successor, Brent CCG.",
    )


# Time


@pytest.mark.parametrize(
    ("sent_on", "n", "expected"),
    [
        (date(2011, 11, 7), 1, date(2011, 11, 8)),
        (date(2011, 11, 4), 1, date(2011, 11, 7)),
        (date(2011, 12, 23), 1, date(2011, 12, 28)),
        (date(2011, 12, 30), 1, date(2012, 1, 3)),
        (date(2012, 4, 5), 1, date(2012, 4, 10)),
        (date(2012, 6, 1), 1, date(2012, 6, 6)),
        (date(2011, 11, 7), 20, date(2011, 12, 5)),
    ],
)
def test_working_days_leave_out_weekends_and_bank_holidays(sent_on: date, n: int, expected: date) -> None:
    assert working_days_after(sent_on, n) == expected


def test_late_only_when_twenty_whole_working_days_have_gone_by() -> None:
    sent = date(2011, 11, 7)
    assert late_on(sent) == date(2011, 12, 6)


# Where a body stands


def test_acknowledged_and_silent_never_both() -> None:
    assert not [status for status, row in BODY_STATUSES.items() if row.acknowledged and row.silent]


# The link


def test_a_token_is_26_plain_characters_and_always_the_same() -> None:
    token = response_token(KEY, LETTER)
    assert re.fullmatch("[0-9a-hjkmnp-tv-z]{26}", token)
    assert token == response_token(KEY, LETTER)
    others = {
        response_token(KEY, LETTER, 2),
        response_token(KEY, UUID(int=1)),
        response_token(bytes(32), LETTER),
    }
    assert len(others | {token}) == 4


def test_a_token_survives_being_typed_from_paper() -> None:
    token = response_token(KEY, LETTER)
    typed = f" {token[:13].upper()}-{token[13:]} ".replace("0", "O").replace("1", "I")
    assert link_digest(typed) == link_digest(token)
    assert len(link_digest(token)) == 32
    assert link_digest("\ud800") != link_digest(token)


@pytest.mark.parametrize("behind", [".", ",", ")", ">", ").", "”", "…", " ", ": "])
def test_a_token_survives_what_stands_behind_it_in_a_sentence(behind: str) -> None:
    token = response_token(KEY, LETTER)
    assert link_digest(token + behind) == link_digest(token)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        response_token(b"short", LETTER)


def test_the_message_id_is_the_same_on_every_try() -> None:
    made = message_id(LETTER, "Forum.example")
    assert made == "<letter-0192f0c12b3c7d4e8f5061728394a5b6-1@forum.example>"
    assert message_id(LETTER, "forum.example", 2) != made
    with pytest.raises(ValueError, match="host name"):
        message_id(LETTER, "forum.example\r\nBcc: all@forum.example")
