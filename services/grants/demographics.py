"""How many are registered, by one or two of their traits: all numbers for staff, and for anybody else those
by which nobody can be found out.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from chassis.house import House
from services.grants.countries import country_name
from services.grants.disclosure import LEAST, hide_cells, hide_some

#: What people are told apart by, and what each is called.
TRAITS: Mapping[str, str] = {
    "area": "Borough",
    "profession": "Profession",
    "country": "Country of qualification",
    "exam_stage": "Exams",
}

#: The list of the house's that names what a trait may be.
_LISTS = {"area": "areas", "profession": "professions", "exam_stage": "exam_stages"}

FEW, WITHHELD = "fewer than five", "not shown"

#: Stands for all that are not shown by themselves, and is called so.
OTHERS, TOGETHER = "", "Others, together"


@dataclass(frozen=True)
class Number:
    """One number of people, or why it is not shown."""

    count: int | None
    instead: str = ""

    @property
    def words(self) -> str:
        return self.instead if self.count is None else f"{self.count:,}"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row of a table."""

    code: str
    name: str
    cells: Sequence[Number]
    total: Number


@dataclass(frozen=True, kw_only=True)
class Crossed:
    """A table of people: by the first trait downwards, and by the second across if there is one."""

    total: Number
    #: Code and name.
    columns: Sequence[tuple[str, str]] = ()
    lines: Sequence[Line] = ()
    foot: Sequence[Number] = ()
    #: Whether anything is left out.
    withheld: bool = False

    def number(self, row: str, column: str) -> Number:
        """How many there are of both codes."""
        across = {code: place for place, (code, _) in enumerate(self.columns)}
        down = {line.code: line for line in self.lines}
        if row in down and column in across:
            return down[row].cells[across[column]]
        return Number(None, WITHHELD)


#: People by two codes; the second is empty where there is one trait.
Counts = Mapping[tuple[str, str], int]


def names_of(house: House, trait: str, codes: Iterable[str]) -> dict[str, str]:
    """What a trait may be, by code, in order: all of the house's list, or those that there are."""
    found = set(codes)
    if trait not in _LISTS:
        return dict(sorted(((code, country_name(code)) for code in found), key=lambda each: each[1]))
    listed = {code: entry.name for code, entry in house.lists[_LISTS[trait]].items()}
    return listed | {code: code for code in sorted(found - listed.keys())}


def cross(
    counts: Counts, rows: Mapping[str, str], columns: Mapping[str, str] | None, *, whole: bool
) -> Crossed:
    """Put people into a table.

    Args:
        rows, columns: names by code, in order.
        whole: show every number, as staff may see it.
    """
    if whole:
        return _Table(counts, rows, columns).crossed()
    if sum(counts.values()) < LEAST:
        return Crossed(total=_small(sum(counts.values())), withheld=True)
    hidden_rows = hide_some(_totals(counts, 0))
    hidden_columns = hide_some(_totals(counts, 1)) if columns is not None else frozenset[str]()
    if hidden_rows is None or hidden_columns is None:
        return Crossed(total=Number(sum(counts.values())), withheld=True)
    merged = Counter[tuple[str, str]]()
    for (row, column), count in counts.items():
        merged[OTHERS if row in hidden_rows else row, OTHERS if column in hidden_columns else column] += count
    table = _Table(merged, rows, columns, small={row: _totals(counts, 0)[row] for row in hidden_rows})
    return table.without(hide_cells(table.matrix)) if columns is not None else table.crossed()


def alone(counts: Mapping[str, int], *, whole: bool) -> dict[str, Number]:
    """Each number of a list by itself, as a map shows it."""
    hidden = frozenset() if whole else hide_some(counts)
    if hidden is None:
        return dict.fromkeys(counts, Number(None, WITHHELD))
    return {code: _small(count) if code in hidden else Number(count) for code, count in counts.items()}


def single(count: int) -> Number:
    """A number of people that stands by itself. That there is nobody may be said."""
    return _small(count) if 0 < count < LEAST else Number(count)


def _small(count: int) -> Number:
    return Number(None, FEW if count < LEAST else WITHHELD)


def _totals(counts: Counts, side: int) -> Counter[str]:
    totals = Counter[str]()
    for codes, count in counts.items():
        totals[codes[side]] += count
    return totals


@dataclass
class _Table:
    """A table on its way to be shown."""

    counts: Counts
    rows: Mapping[str, str]
    columns: Mapping[str, str] | None
    #: Rows that are only shown together, with their totals.
    small: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.row_codes = self._present(self.rows, 0)
        self.column_codes = self._present(self.columns, 1) if self.columns is not None else []

    def _present(self, names: Mapping[str, str], side: int) -> list[str]:
        """The codes that anybody has, in the order of the names; what is put together comes last."""
        found = {codes[side] for codes, count in self.counts.items() if count}
        return [code for code in [*names, OTHERS] if code in found]

    @property
    def matrix(self) -> list[list[int]]:
        return [[self.counts.get((row, column), 0) for column in self.column_codes] for row in self.row_codes]

    def crossed(self) -> Crossed:
        """All of it."""
        return self.without(frozenset())

    def without(self, hidden: frozenset[tuple[int, int]] | None) -> Crossed:
        """As much as may be shown: but some numbers, or no number but the totals."""
        cells = [
            [
                Number(None, WITHHELD) if hidden is None else _small(n) if (i, j) in hidden else Number(n)
                for j, n in enumerate(line)
            ]
            for i, line in enumerate(self.matrix)
        ]
        totals, foot = _totals(self.counts, 0), _totals(self.counts, 1)
        lines = [
            Line(code=code, name=self.rows.get(code, TOGETHER), cells=cells[i], total=Number(totals[code]))
            for i, code in enumerate(self.row_codes)
        ]
        nothing = [Number(None, WITHHELD)] * len(self.column_codes)
        lines[len(self.row_codes) - bool(self.small) :] = [
            *(
                Line(code=code, name=name, cells=nothing, total=_small(self.small[code]))
                for code, name in self.rows.items()
                if code in self.small
            ),
            *lines[len(self.row_codes) - bool(self.small) :],
        ]
        return Crossed(
            total=Number(sum(self.counts.values())),
            columns=[(code, (self.columns or {}).get(code, TOGETHER)) for code in self.column_codes],
            lines=lines,
            foot=[Number(foot[code]) for code in self.column_codes],
            withheld=hidden is None or bool(hidden or self.small) or OTHERS in self.column_codes,
        )
