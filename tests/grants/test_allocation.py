"""What is proposed to a panel: always within the pot, ties shown, the highest total exact."""

from fractions import Fraction
from itertools import chain, combinations
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.grants.allocation import Allocation, Candidate, by_mean, by_total


def a_case(number: int, pence: int, mean: Fraction | int | None) -> Candidate:
    found = None if mean is None else Fraction(mean)
    return Candidate(id=UUID(int=number + 1), label=f"C{number:03}", asked_pence=pence, mean=found)


MEANS = st.none() | st.fractions(0, 5, max_denominator=12)
CASES = st.lists(st.tuples(st.integers(1, 60_000), MEANS), max_size=10).map(
    lambda found: [a_case(number, pence, mean) for number, (pence, mean) in enumerate(found)]
)
POTS = st.integers(0, 200_000)
MOST = st.integers(1, 60_000)


def given_to(allocation: Allocation) -> dict[str, int]:
    return {each.case.label: each.pence for each in allocation.cases if each.pence}


@given(CASES, POTS, MOST)
def test_by_mean_it_goes_downwards_and_never_beyond_the_pot(
    cases: list[Candidate], pot: int, most: int
) -> None:
    found = by_mean(cases, pot, most)
    assert sorted(each.case.id for each in found.cases) == sorted(each.id for each in cases)
    assert found.left_pence == pot - sum(each.pence for each in found.cases) >= 0
    assert all(each.pence in (0, min(each.case.asked_pence, most)) for each in found.cases)
    means = [each.case.mean for each in found.cases if each.case.mean is not None]
    assert means == sorted(means, reverse=True)
    lowest = min(
        (each.case.mean for each in found.cases if each.pence and each.case.mean is not None), default=6
    )
    for each in found.cases:
        if each.case.mean is None:
            assert (each.pence, each.place) == (0, None)
        elif not each.pence:
            assert each.case.mean < lowest, "nobody is passed over, and those alike are treated alike"
    if found.next:
        assert sum(each.full_pence for each in found.next) > found.left_pence
        assert len({each.case.mean for each in found.next}) == 1
        assert found.part_pence == found.left_pence
    else:
        assert all(each.pence or each.case.mean is None for each in found.cases)


@given(CASES, POTS, MOST)
def test_the_order_in_which_cases_came_decides_nothing(cases: list[Candidate], pot: int, most: int) -> None:
    for way in (by_mean, by_total):
        assert way(cases, pot, most) == way(cases[::-1], pot, most)


@given(CASES, POTS, MOST)
def test_the_highest_total_is_the_highest(cases: list[Candidate], pot: int, most: int) -> None:
    found = by_total(cases, pot, most)
    assert found.left_pence == pot - sum(each.pence for each in found.cases) >= 0
    reached = sum((each.case.mean or 0 for each in found.cases if each.pence), Fraction(0))
    every = chain.from_iterable(combinations(cases, n) for n in range(len(cases) + 1))
    fitting = [some for some in every if sum(min(each.asked_pence, most) for each in some) <= pot]
    totals = [(sum((each.mean or 0 for each in some), Fraction(0)), some) for some in fitting]
    assert reached == max(total for total, _ in totals)
    spent = sum(each.pence for each in found.cases)
    assert spent == min(
        sum(min(each.asked_pence, most) for each in some) for total, some in totals if total == reached
    )


def test_what_is_left_may_be_awarded_in_part() -> None:
    cases = [a_case(1, 40_000, 5), a_case(2, 90_000, 4), a_case(3, 1_000, 3)]
    found = by_mean(cases, 100_000, 70_000)
    assert given_to(found) == {"C001": 40_000}
    assert [each.case.label for each in found.next] == ["C002"]
    assert (found.left_pence, found.part_pence) == (60_000, 60_000)
    assert given_to(by_mean(cases, 110_000, 70_000)) == {"C001": 40_000, "C002": 70_000}


def test_those_alike_are_shown_and_none_put_before_another() -> None:
    cases = [a_case(1, 40_000, 5), a_case(2, 30_000, Fraction(7, 2)), a_case(3, 30_000, Fraction(7, 2))]
    found = by_mean(cases, 75_000, 43_000)
    assert given_to(found) == {"C001": 40_000}
    assert [(each.case.label, each.place, each.tied) for each in found.cases] == [
        ("C001", 1, False),
        ("C002", 2, True),
        ("C003", 2, True),
    ]
    assert len(found.next) == 2


def test_the_highest_total_favours_what_is_cheap() -> None:
    cases = [a_case(1, 43_000, 5), *(a_case(number, 14_000, 3) for number in (2, 3, 4))]
    assert given_to(by_mean(cases, 45_000, 43_000)) == {"C001": 43_000}
    assert given_to(by_total(cases, 45_000, 43_000)) == {"C002": 14_000, "C003": 14_000, "C004": 14_000}


def test_many_cases_with_odd_amounts_take_no_time() -> None:
    cases = [
        a_case(number, 10_007 + 7_919 * number % 33_000, Fraction(number * 7 % 61, 12))
        for number in range(200)
    ]
    found = by_total(cases, 1_500_000, 43_000)
    assert 0 <= found.left_pence < 43_000


def test_nothing_to_share_out() -> None:
    for way in (by_mean, by_total):
        assert way([], 100, 100).cases == []
        assert given_to(way([a_case(1, 100, 5)], 0, 100)) == {}
