"""Which numbers of people may be shown so that no small one can be worked out. Pure.

A number under five is left out. Where it could still be worked out from others and their sum, some of those
are left out as well. The sum of all numbers is always known.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

#: The least number that is shown.
LEAST = 5

#: Where a number stands: its row and its column.
Place = tuple[int, int]


def hide_some(counts: Mapping[str, int]) -> frozenset[str] | None:
    """Which numbers of a list to leave out; nothing when only leaving out all of them, unmarked, would do.

    That there is nobody may be said, because it is about nobody. What is left out comes to five or more, so
    that it can be shown as one number.
    """
    hidden = {code for code, count in counts.items() if 0 < count < LEAST}
    shown = [code for code, count in counts.items() if count >= LEAST]
    shown.sort(key=lambda code: (counts[code], code), reverse=True)
    while hidden and not _differ([counts[code] for code in hidden]):
        if not shown:
            return None
        hidden.add(shown.pop())
    return frozenset(hidden)


def _differ(counts: Sequence[int]) -> bool:
    """Whether each of the numbers that are left out could be another one, with the same sum."""
    falls = [_may_fall(count, 1) for count in counts]
    rises = [_may_rise(count) for count in counts]
    each = zip(falls, rises, strict=True)
    return sum(counts) >= LEAST and all(
        (up and sum(falls) > down) or (down and sum(rises) > up) for down, up in each
    )


def _may_rise(count: int) -> bool:
    """Whether one more would still be left out for the same reason: because it is small, or beside one."""
    return count != LEAST - 1


def _may_fall(count: int, least: int = 0) -> bool:
    """Whether one less would, where a small number is known to be this at the least."""
    return count not in (least, LEAST)


def hide_cells(table: Sequence[Sequence[int]]) -> frozenset[Place] | None:
    """Which numbers of a table to leave out whose rows and columns have known totals; nothing when only
    leaving out all of them, unmarked, would do. In a table none is small too.
    """
    cells = _Cells(table)
    small = sorted(cells.hidden, key=lambda place: (table[place[0]][place[1]], place), reverse=True)
    for place in small:
        if not cells.differs(place) and not cells.hide_a_way_round(place):
            return None
    return frozenset(cells.hidden)


#: A row or a column, by its number.
_Node = tuple[str, int]


@dataclass
class _Cells:
    """A table as whoever sees it knows it: which numbers may be others.

    One number goes up only if another in its row and one in its column go down, others beside those up again,
    and so on until the way closes. A way leads from a row to a column by a number that may rise, and from a
    column to a row by one that may fall.
    """

    table: Sequence[Sequence[int]]
    hidden: set[Place] = field(default_factory=set)

    def __post_init__(self) -> None:
        #: From each row and column by numbers that are left out.
        self._ahead: dict[_Node, set[_Node]] = defaultdict(set)
        for i, row in enumerate(self.table):
            self._hide((i, j) for j, count in enumerate(row) if count < LEAST)

    def _hide(self, places: Iterable[Place]) -> None:
        for place in places:
            self.hidden.add(place)
            row, column, count = ("row", place[0]), ("column", place[1]), self.table[place[0]][place[1]]
            if _may_rise(count):
                self._ahead[row].add(column)
            if _may_fall(count):
                self._ahead[column].add(row)

    def differs(self, place: Place) -> bool:
        """Whether a number that is left out could be another one, as far as anybody can tell."""
        return any(self._leads(start, end) for start, end in self._ways(place))

    def _leads(self, start: _Node, end: _Node) -> bool:
        """Whether a way leads there by what is left out already, and not straight back."""
        seen, waiting = {start}, [start]
        while waiting:
            here = waiting.pop()
            found = self._ahead[here] - seen
            if here == start:
                found.discard(end)
            if end in found:
                return True
            seen |= found
            waiting += found
        return False

    def hide_a_way_round(self, place: Place) -> bool:
        """Leave out, of what is shown, what lets a number be another one, as few people as it takes; whether
        that can be done.
        """
        ways = [self._cheapest(start, end, place) for start, end in self._ways(place)]
        found = [(cost, sorted(taken)) for cost, taken in filter(None, ways)]
        if not found:
            return False
        self._hide(min(found)[1])
        return True

    def _ways(self, place: Place) -> Iterator[tuple[_Node, _Node]]:
        """From where to where a way must lead for a number to go up, and for it to go down."""
        row, column, count = ("row", place[0]), ("column", place[1]), self.table[place[0]][place[1]]
        if _may_rise(count):
            yield column, row
        if _may_fall(count):
            yield row, column

    def _cheapest(self, start: _Node, end: _Node, without: Place) -> tuple[int, set[Place]] | None:
        """How many people a way costs that does not use a number, and which shown ones have to go for it."""
        costs, came = {start: 0}, dict[_Node, tuple[_Node, Place]]()
        waiting: list[tuple[int, _Node]] = [(0, start)]
        while waiting:
            cost, here = heappop(waiting)
            if here == end:
                return cost, self._taken(came, start, end)
            for node, place in self._steps(here):
                total = cost + (0 if place in self.hidden else self.table[place[0]][place[1]])
                if place != without and (node not in costs or total < costs[node]):
                    costs[node], came[node] = total, (here, place)
                    heappush(waiting, (total, node))
        return None

    def _steps(self, node: _Node) -> Iterator[tuple[_Node, Place]]:
        kind, index = node
        if kind == "row":
            for j, count in enumerate(self.table[index]):
                if _may_rise(count):
                    yield ("column", j), (index, j)
        else:
            for i, row in enumerate(self.table):
                if _may_fall(row[index]):
                    yield ("row", i), (i, index)

    def _taken(self, came: Mapping[_Node, tuple[_Node, Place]], start: _Node, end: _Node) -> set[Place]:
        """The shown numbers on the way that was found."""
        places, node = set[Place](), end
        while node != start:
            node, place = came[node]
            if place not in self.hidden:
                places.add(place)
        return places
