"""A meeting in words: what its pages show, for the officer and for members alike.

It knows only what it is given: what a member may not see is not in it.
"""

from collections.abc import Collection, Iterable, Mapping
from fractions import Fraction
from typing import Any
from uuid import UUID

from chassis.house import House, word
from chassis.web import pounds
from services.grants.quorum import Seat
from services.grants.scoring import in_figures
from services.grants.sitting import Item, Sitting
from services.grants.web.hrefs import dossier_href

#: Whoever was erased.
NOBODY = "Somebody who is no longer kept"

#: How each decision looks, and what it is called.
DECIDED: Mapping[str, tuple[str, str]] = {
    "award": ("pledged", "Awarded"),
    "decline": ("declined", "Declined"),
    "defer": ("late", "Put off"),
}


def decision_words(row: Any) -> str:
    """A decision in a few words."""
    words = DECIDED[row["kind"]][1]
    return f"{words} {pounds(row['amount_pence'])}" if row["amount_pence"] else words


def mean_words(mean: Fraction | None) -> str:
    """A mean as people read it."""
    return in_figures(mean) if mean is not None else "–"


class Agenda:
    """A meeting with what is shown of it."""

    def __init__(self, found: Sitting, house: House) -> None:
        self.found = found
        self._house = house

    def name(self, id: UUID) -> str:
        """What somebody is called."""
        return self.found.names.get(id, NOBODY)

    def names(self, ids: Iterable[UUID]) -> list[str]:
        """What several are called, in order."""
        return sorted(map(self.name, ids), key=str.casefold)

    def _of(self, seats: Iterable[Seat]) -> list[dict[str, Any]]:
        found = [{"id": seat.person_id, "name": self.name(seat.person_id)} for seat in seats]
        return sorted(found, key=lambda one: one["name"].casefold())

    def seats(self, came: Collection[UUID] = ()) -> list[dict[str, Any]]:
        """Who takes part, by name, those who are there first.

        Args:
            came: those who were there, of a meeting that is over.
        """
        rows = [
            {
                "id": seat.person_id,
                "name": self.name(seat.person_id),
                "here": seat.here or seat.person_id in came,
                "what": self._what(seat),
            }
            for seat in self.found.seats
        ]
        return sorted(rows, key=lambda row: (not row["here"], row["name"].casefold()))

    def _what(self, seat: Seat) -> str:
        peers = [self._listed("professions", code) for code in sorted(seat.professions)]
        parts = [
            "Reserve" if seat.reserve else "Member",
            *peers,
            *(["for the funder"] if seat.for_funder else []),
        ]
        return ", ".join(parts)

    def _listed(self, list: str, code: str) -> str:
        return word(self._house.lists[list], code)

    def line(self, item: Item) -> dict[str, Any]:
        """An item in a line: what was decided on it last."""
        return self._line(
            item.case_id, item.label, item.purpose, item.amount_pence, item.state, item.decision
        )

    def listed(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The same of a row of the agenda, with where it stands how that was decided: for the officer."""
        decision = row if row["kind"] else None
        line = self._line(
            row["case_id"], row["label"], row["purpose"], row["asked_pence"], row["state"], decision
        )
        return {**line, "how_href": dossier_href(row["application_id"]) if decision else None}

    def _line(
        self, case_id: UUID, label: str, purpose: str, asked_pence: int, state: str | None, decision: Any
    ) -> dict[str, Any]:
        present = self.found.present
        return {
            "id": case_id,
            "label": label,
            "purpose": self._listed("purposes", purpose),
            "amount_pence": asked_pence,
            "is_present": present is not None and present.case_id == case_id,
            "withdrawn": state == "withdrawn",
            "decided": decision_words(decision) if decision else "",
            "look": DECIDED[decision["kind"]][0] if decision else "open",
        }

    def whole(self, item: Item) -> dict[str, Any]:
        """An item with who counts for it, and what was decided."""
        quorum = self.found.quorum(item)
        return {
            **self.line(item),
            "profession": self._listed("professions", item.profession),
            "exam_on": item.exam_on,
            "words": item.words,
            "papers": item.papers,
            "number": item.number,
            "counted": self._of(quorum.counted),
            "lacking": quorum.lacking,
            "menders": self._of(quorum.menders),
            "helpers": self._of(quorum.helpers),
            "standing_in": self._of(seat for seat in self.found.seats if seat.person_id in item.standing_in),
            "stepping_out": self._of(self.found.stepping_out(item)),
            "acquainted": self.names({seat.person_id for seat in quorum.counted} & item.acquainted),
            "awaited": self.names(seat.person_id for seat in self.found.awaited(item)),
            "decisions": [self.decision(row) for row in item.decisions],
        }

    def decision(self, row: Any) -> dict[str, Any]:
        """What was decided, and why."""
        return {
            "what": decision_words(row),
            "look": DECIDED[row["kind"]][0],
            "words": row["words"] or "",
            "why_changed": row["why_changed"] or "",
            "at": row["decided_at"],
            "number": row["number"],
        }

    def scores(self, item: Item) -> dict[str, Any]:
        """What everybody gave, side by side."""
        judges = [seat.person_id for seat in self.found.judges(item) if seat.person_id in item.comments]
        judges.sort(key=lambda judge: self.name(judge).casefold())
        reserves = {seat.person_id for seat in self.found.seats if seat.reserve}
        aside = (reserves & item.comments.keys()) - set(judges) - item.removed
        given = {(each.criterion_id, each.person_id): each.score for each in item.scores}
        of_criteria, total = self.found.means(item), sum(self.found.weights.values())
        return {
            "criteria": [
                {
                    "name": row["name"],
                    "weight": row["weight"],
                    "of": total,
                    "mean": mean_words(of_criteria.get(row["id"])),
                }
                for row in self.found.criteria
            ],
            "members": [
                {
                    "name": self.name(judge),
                    "stands_in": judge in reserves,
                    "given": [_score(given, row["id"], judge) for row in self.found.criteria],
                }
                for judge in judges
            ],
            "mean": mean_words(self.found.mean(item)),
            "aside": self.names(aside),
            "comments": [
                (self.name(judge), item.comments[judge]) for judge in judges if item.comments[judge]
            ],
        }


def _score(given: Mapping[tuple[UUID, UUID], int | None], criterion: UUID, person: UUID) -> str:
    """One score; whoever gave none for a criterion cannot judge it."""
    score = given.get((criterion, person))
    return str(score) if score is not None else "cannot judge"
