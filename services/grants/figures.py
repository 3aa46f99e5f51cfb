"""The figures for trustees and funders: each with how it is counted, from where, and as of when.

Nothing in them is about one person or one body. Of applications those are counted that are of rounds whose
decisions are published, so that no figure tells a member of a panel of a case which is kept from them.
Figures of other services are made of what those announce.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chassis.database import Transaction
from chassis.web import pounds
from services.grants.demographics import Number, single
from services.grants.queries import SHOW


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure."""

    #: Where how it is counted stands on the page.
    code: str
    name: str
    #: A number of people or bodies, or pence.
    number: Number | None = None
    pence: int | None = None
    formula: str
    source: str
    #: When something was heard last that it is made of; nothing while nothing was.
    as_of: datetime | None

    @property
    def words(self) -> str:
        """The figure as it is shown."""
        if self.pence is not None:
            return pounds(self.pence)
        return self.number.words if self.number else "—"

    @property
    def size(self) -> int:
        """How much it is, for a chart; nothing where that is not shown."""
        return self.pence or (self.number.count if self.number else 0) or 0


@dataclass(frozen=True, kw_only=True)
class Group:
    """Figures that belong together, in the order in which one leads to the next."""

    title: str
    figures: Sequence[Figure]


_LETTERS = "Letters: every letter that was sent or answered is announced"
_PARTNERS = "Partners: announced as it happens"
_LEDGER = "Grants: the ledgers of all funds"
_ROUNDS = "Grants: rounds whose decisions are published"

#: What each is called, how it is counted, and from what.
_TOLD: Mapping[str, tuple[str, str, str]] = {
    "asked": ("Bodies asked", "Bodies that were sent at least one letter asking for money.", _LETTERS),
    "answered": (
        "Bodies that answered",
        "Of these, bodies that pledged, declined or asked back. To acknowledge a letter is no answer.",
        _LETTERS,
    ),
    "pledged_pence": (
        "Pledged",
        "All pledges that a colleague has confirmed, less what will not come any more.",
        "Grants: pledges, as Letters announces them or as they were entered",
    ),
    "received_pence": ("Received", "All money that came, less what was given back to funders.", _LEDGER),
    "applied": (
        "People applied",
        "Applications that were sent and not taken back before the decision.",
        _ROUNDS,
    ),
    "awarded": ("People awarded", "Of these, applications that were awarded something.", _ROUNDS),
    "awarded_pence": ("Awarded", "What they were awarded, as it was decided.", _ROUNDS),
    "paid": ("People paid", "Awards of which something is paid, and did not come back.", _ROUNDS),
    "paid_pence": ("Paid", "What was paid for awards, less what came back.", _LEDGER),
    "passed": ("Passed their exam", "Awards whose exam was passed, as people told us.", _ROUNDS),
    "in_post": ("In post", "People who work in their profession now, as they told us.", _ROUNDS),
    "partners": ("Organisations", "Bodies in the register that are open today.", _PARTNERS),
    "outcomes_met": ("Outcomes met", "What was agreed on with partners and was achieved.", _PARTNERS),
    "referrals_closed": (
        "Referrals closed",
        "People who were sent on to a partner, and of whom we know whether it helped.",
        _PARTNERS,
    ),
}

#: Of which group each is, in order.
_GROUPS: Mapping[str, Sequence[str]] = {
    "Money asked for": ("asked", "answered", "pledged_pence", "received_pence"),
    "Grants": ("applied", "awarded", "awarded_pence", "paid", "paid_pence", "passed", "in_post"),
    "Work with partners": ("partners", "outcomes_met", "referrals_closed"),
}

#: Numbers of people. Bodies are none.
_OF_PEOPLE = frozenset({"applied", "awarded", "paid", "passed", "in_post", "referrals_closed"})


async def figures(tx: Transaction, *, whole: bool) -> list[Group]:
    """All figures.

    Args:
        whole: show numbers of people under five as they are.
    """
    heard = dict(await SHOW.figures_heard(tx, today=tx.today))
    found: dict[str, Any] = {**heard, **dict(await SHOW.figures_kept(tx))}
    times = {"asked": heard["letters_at"], "answered": heard["letters_at"]}
    times |= {"outcomes_met": heard["results_at"], "referrals_closed": heard["results_at"]}
    return [
        Group(
            title=title,
            figures=[_figure(code, found[code], times.get(code, tx.now), whole) for code in codes],
        )
        for title, codes in _GROUPS.items()
    ]


def _figure(code: str, count: int, as_of: datetime | None, whole: bool) -> Figure:
    name, formula, source = _TOLD[code]
    told: dict[str, Any] = {
        "code": code.replace("_", "-"),
        "name": name,
        "formula": formula,
        "source": source,
    }
    if code.endswith("_pence"):
        return Figure(**told, pence=count, as_of=as_of)
    shown = single(count) if code in _OF_PEOPLE and not whole else Number(count)
    return Figure(**told, number=shown, as_of=as_of)


def each_of(groups: Sequence[Group]) -> Iterator[tuple[str, Figure]]:
    """Every figure with what its group is called."""
    for group in groups:
        for figure in group.figures:
            yield group.title, figure
