"""No number under five can be worked out from what is shown: tried by solving for it."""

from itertools import product

from hypothesis import example, given
from hypothesis import strategies as st

from services.grants.disclosure import LEAST, hide_cells, hide_some

#: What a number that is left out may be when it is tried: more than any difference that matters.
_HIGHEST = 40


def possible(count: int, hidden: bool, least: int = 0) -> range:
    """What whoever sees the table knows of one number."""
    if not hidden:
        return range(count, count + 1)
    return range(least, LEAST) if count < LEAST else range(LEAST, _HIGHEST)


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 12)))
@example({"a": 4, "b": 4, "c": 9})
@example({"a": 0, "b": 9, "c": 9})
@example({"a": 1, "b": 2})
def test_no_number_of_a_list_can_be_worked_out(counts: dict[str, int]) -> None:
    hidden = hide_some(counts)
    if hidden is None:
        return
    assert {code for code, count in counts.items() if 0 < count < LEAST} <= hidden
    total = sum(counts[code] for code in hidden)
    assert not hidden or total >= LEAST
    for code in hidden:
        others = [possible(counts[other], hidden=True, least=1) for other in hidden - {code}]
        least, most = sum(each[0] for each in others), sum(each[-1] for each in others)
        could_be = [n for n in possible(counts[code], hidden=True, least=1) if least <= total - n <= most]
        assert len(could_be) > 1, (counts, code)


TABLES = st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(
    lambda size: st.lists(
        st.lists(st.one_of(st.integers(0, 6), st.integers(0, 15)), min_size=size[1], max_size=size[1]),
        min_size=size[0],
        max_size=size[0],
    )
)


def changes(table: list[list[int]]) -> list[dict[tuple[int, int], int]]:
    """Every way in which numbers can go up and down by one with the same totals: closed, and through no row
    and no column more often than needed. Any other difference between two tables is made of these.
    """
    rows, columns = len(table), len(table[0])
    found = []
    for signs in product((-1, 0, 1), repeat=rows * columns):
        grid = [signs[i * columns : (i + 1) * columns] for i in range(rows)]
        if not any(signs) or any(map(sum, grid)) or any(map(sum, zip(*grid, strict=True))):
            continue
        found.append({(i, j): grid[i][j] for i in range(rows) for j in range(columns) if grid[i][j]})
    return found


_CHANGES = {
    (rows, columns): changes([[0] * columns] * rows) for rows, columns in product(range(1, 4), repeat=2)
}


@given(TABLES.filter(lambda table: len(table) < 4 and len(table[0]) < 4))
@example([[3, 10, 10], [10, 10, 10], [10, 10, 10]])
@example([[4, 5], [5, 5]])
@example([[0, 20], [20, 20]])
@example([[4, 4], [4, 4]])
def test_no_number_of_a_table_can_be_worked_out(table: list[list[int]]) -> None:
    hidden = hide_cells(table)
    if hidden is None:
        return
    places = list(product(range(len(table)), range(len(table[0]))))
    assert {(i, j) for i, j in places if table[i][j] < LEAST} <= hidden
    could_differ = set[tuple[int, int]]()
    for change in _CHANGES[len(table), len(table[0])]:
        fits = all(
            table[i][j] + by in possible(table[i][j], (i, j) in hidden) for (i, j), by in change.items()
        )
        could_differ |= change.keys() if fits else set()
    assert could_differ == hidden, (table, hidden)


def test_a_table_without_small_numbers_is_shown_whole() -> None:
    assert hide_cells([[5, 6], [7, 8]]) == frozenset()
    assert hide_some({"a": 5, "b": 100}) == frozenset()
    assert hide_some({}) == frozenset()


def test_of_two_neighbours_the_smaller_is_left_out() -> None:
    assert hide_some({"a": 3, "b": 40, "c": 9}) == frozenset({"a", "c"})
    assert hide_cells([[3, 90, 9], [80, 90, 90], [8, 90, 90]]) == frozenset({(0, 0), (0, 2), (2, 0), (2, 2)})


def test_where_nothing_protects_them_nothing_is_shown() -> None:
    assert hide_some({"a": 4, "b": 4}) is None
    assert hide_some({"a": 1}) is None
    assert hide_cells([[3, 7]]) is None
