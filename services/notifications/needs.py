"""What waits for a person in Letters, over all campaigns: the first thing that whoever comes there reads."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.database import Transaction, rows_of
from services.notifications.domain import AnswerKind
from services.notifications.hrefs import INCOMING, batch_href, campaign_href, incoming_href, step_href
from services.notifications.queries import BOARD, POSTING, QUERIES


@dataclass(frozen=True, kw_only=True)
class Need:
    """One thing that a person has to see to."""

    #: What is to be done, and where.
    what: str
    href: str
    #: What it is about.
    about: str
    note: str = ""


#: What recipients have said and wait for, for one and for several.
_SAID = {
    AnswerKind.ASK: ("1 question to answer", "{} questions to answer"),
    AnswerKind.PLEDGE: ("1 pledge to confirm", "{} pledges to confirm"),
    AnswerKind.MEET: ("1 meeting to agree on", "{} meetings to agree on"),
    AnswerKind.PASS_ON: ("1 colleague to confirm", "{} colleagues to confirm"),
    AnswerKind.DECLINE: ("1 pledge that was taken back", "{} pledges that were taken back"),
}
#: Mails that wait, by the list on which they stand: for one and for several, and what that list is called.
_MAILS = {
    "turn": ("1 mail from a recipient to see to", "{} mails from recipients to see to", "our turn"),
    "held": ("1 mail to match with a letter", "{} mails to match with letters", "to be matched"),
}
_TROUBLE = (
    "1 letter that did not go, came back, or may not have arrived",
    "{} letters that did not go, came back, or may not have arrived",
)


async def needs(
    tx: Transaction,
    campaigns: Sequence[Any],
    in_trouble: Mapping[UUID, int],
    mails: Mapping[str, Any],
    by: UUID,
    *,
    approves: bool,
) -> list[Need]:
    """What waits: for approval, to be put right, to be answered, to be matched, and to be posted.

    Args:
        campaigns: those on the list.
        in_trouble: by campaign, how many of its letters need a person.
        mails: how many wait on each list, and the oldest there; empty for whoever may not see to them.
        by: who looks.
        approves: whether they may approve what they had no part in.
    """
    names = {row["id"]: row["name"] for row in campaigns}
    approvals, answers, batches = await tx.together(
        rows_of(BOARD.approvals_waiting(tx, campaigns=list(names))),
        rows_of(QUERIES.open_answers_of(tx, campaigns=list(names))),
        rows_of(POSTING.batches_to_be_posted(tx)),
    )
    said = Counter((row["campaign_id"], AnswerKind(row["kind"])) for row in answers)
    gone = [row["id"] for row in campaigns if row["released_at"]]
    return [
        *(_approval(row, by, approves=approves) for row in approvals),
        *(_of_campaign(id, names[id], _SAID[kind], said[id, kind]) for id, kind in _in_order(said, names)),
        *(_mails(each, mails[each], mails[f"oldest_{each}"]) for each in _MAILS if mails and mails[each]),
        *(_of_campaign(id, names[id], _TROUBLE, in_trouble[id]) for id in gone if in_trouble[id]),
        *(_batch(row) for row in batches),
    ]


def _approval(row: Any, by: UUID, *, approves: bool) -> Need:
    what = "How it chases" if row["is_chasing"] else "Letters"
    if row["returned_because"]:
        step = "chasing" if row["is_chasing"] else "check"
        said = {"what": f"{what}: sent back, to be put right", "note": row["returned_because"]}
    else:
        theirs = approves and by not in row["hands"]
        step, waits = "approve", "to be approved" if theirs else "somebody else has to approve it"
        said = {"what": f"{what}: {waits}"}
    return Need(**said, href=step_href(row["id"], step), about=row["name"])


def _in_order(said: Mapping[tuple[UUID, AnswerKind], int], names: Iterable[UUID]) -> list[Any]:
    return [(id, kind) for kind in _SAID for id in names if said.get((id, kind))]


def _of_campaign(id: UUID, name: str, words: tuple[str, str], count: int) -> Need:
    what = words[0] if count == 1 else words[1].format(f"{count:,}")
    return Need(what=what, href=f"{campaign_href(id)}#needs-you", about=name)


def _mails(which: str, count: int, oldest: UUID) -> Need:
    one, several, called = _MAILS[which]
    alone = count == 1
    return Need(
        what=one if alone else several.format(f"{count:,}"),
        href=incoming_href(oldest) if alone else f"{INCOMING}?show={which}",
        about=f"Incoming mail: {called}",
    )


def _batch(row: Any) -> Need:
    return Need(
        what=f"Post batch {row['number']}: printed, to be posted",
        href=batch_href(row["id"]),
        about=row["campaign"] or "All campaigns",
    )
