"""Contributions: what bodies pledge for a fund, what comes of that, and what goes back.

A pledge is a promise and can be spent by nobody. It is for the fund that it names; where no fund has that
name, it waits until somebody says which one is meant. Money that comes is entered in the fund's ledger and
announced in the same transaction; so is what will not come, and that it is expected after all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.audit import digest_of, note, person_of
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound, NotYetKnown, Refused
from chassis.outbox import announce
from chassis.web import pounds
from contracts.envelope import Event, pounds_sterling
from contracts.grants import ContributionReceived, ContributionRefunded, ContributionWrittenBack
from services.grants import ledger
from services.grants.domain import Overtaken, folded
from services.grants.queries import FUNDS


class Said(StrEnum):
    """What is said of what has not come of a pledge."""

    WRITTEN_BACK = "written_back"
    REPLACED = "replaced"
    EXPECTED_AGAIN = "expected_again"


@dataclass(frozen=True, kw_only=True)
class Pledge:
    """A promise that came by no campaign, as somebody enters it."""

    organisation_id: UUID
    amount_pence: int
    pledged_on: date


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """Money that came, as somebody enters it."""

    amount_pence: int
    received_on: date
    #: As the bank statement says it.
    bank_reference: str
    #: Who gave it; where a pledge is named, whoever pledged.
    organisation_id: UUID | None = None
    pledge_id: UUID | None = None


async def record_pledge(tx: Transaction, event: Event) -> None:
    """Enter a pledge. Its organisation need not be known yet: the name is looked up when it is shown."""
    await FUNDS.record_pledge(
        tx,
        id=event.data["pledge_id"],
        organisation_id=event.data["organisation_id"],
        campaign_id=event.data["campaign_id"],
        campaign=event.data["campaign"],
        fund=event.data["fund"],
        fund_key=folded(event.data["fund"]),
        amount_pence=event.data["amount"]["amount_pence"],
        pledged_on=event.data["pledged_on"],
        now=tx.now,
    )
    for id in event.data["replaces"]:
        await _give_way(tx, id)


async def _give_way(tx: Transaction, pledge_id: UUID) -> None:
    """What has not come of a pledge will not come, because they have pledged anew in its place.

    Raises:
        NotYetKnown: when we have not heard of it yet.
    """
    pledge = await FUNDS.lock_pledge(tx, id=pledge_id)
    if pledge is None:
        raise NotYetKnown
    why = "They have pledged anew instead."
    if pence := _open_pence(pledge):
        await _say(tx, pledge, Said.REPLACED, pence, why)
    elif pledge["written_back_pence"]:  # before we heard this: now that is not taken back any more
        await _write_down(tx, pledge_id, Said.REPLACED, 0, why)


async def enter_pledge(tx: Transaction, fund_id: UUID, pledge: Pledge) -> UUID:
    """Enter a pledge that came by no campaign.

    Raises:
        NotFound, Conflict: when there is no such fund, or it has closed.
    """
    fund = await _open_fund(tx, fund_id)
    id = uuid_utils.compat.uuid7()
    await FUNDS.record_pledge(
        tx,
        id=id,
        **asdict(pledge),
        campaign_id=None,
        campaign="",
        fund=fund["name"],
        fund_key=folded(fund["name"]),
        now=tx.now,
    )
    note(tx, "pledge_entered", "pledge", id, after={"fund": fund_id, **asdict(pledge)})
    return id


async def say_which_fund(tx: Transaction, pledge_id: UUID, fund_id: UUID) -> int:
    """Say which fund the name in a pledge means: in all that wait under it, and in all that will come.

    Returns:
        how many found their fund.

    Raises:
        NotFound, Conflict: when there is no such pledge or fund, or the pledge has its fund already.
    """
    fund = await _open_fund(tx, fund_id)
    pledge = await FUNDS.lock_pledge(tx, id=pledge_id)
    if pledge is None:
        raise NotFound
    if pledge["fund_id"] is not None:
        raise Overtaken("This pledge has its fund already.", "Open the page again to see which one.")
    meant = await FUNDS.claim_name(tx, name=pledge["fund_key"], fund_id=fund["id"])
    if meant != fund_id:
        raise Overtaken("This name means another fund by now.", "Open the page again to see which one.")
    note(tx, "pledge_matched", "pledge", pledge_id, after={"fund": fund_id})
    return int(await FUNDS.match_pledges(tx, fund_id=fund_id, name=pledge["fund_key"]))


async def write_back(tx: Transaction, pledge_id: UUID, reason: str) -> None:
    """What has not come of a pledge will not come, as somebody says, with the reason.

    Raises:
        NotFound, Conflict: when there is no such pledge, or nothing of it is open.
    """
    pledge = await FUNDS.lock_pledge(tx, id=pledge_id)
    if pledge is None:
        raise NotFound
    pence = _open_pence(pledge)
    if pence == 0:
        raise Overtaken("Nothing of this pledge is still to come.", "Open the page again.")
    await _say(tx, pledge, Said.WRITTEN_BACK, pence, reason)
    note(tx, "pledge_written_back", "pledge", pledge_id, after=_noted(tx, pence, reason))


async def expect_again(tx: Transaction, pledge_id: UUID, reason: str) -> None:
    """What was written back of a pledge is waited for after all, as somebody says, with the reason.

    Raises:
        NotFound, Conflict: when there is no such pledge, nothing of it is written back, or another pledge has
            taken its place.
    """
    pledge = await FUNDS.lock_pledge(tx, id=pledge_id)
    if pledge is None:
        raise NotFound
    pence = pledge["written_back_pence"]
    if pence == 0:
        raise Overtaken("Nothing of this pledge is written back.", "Open the page again.")
    if was_replaced(await steps_of(tx, pledge_id)):
        cure = "What they will give stands on their newer pledge."
        raise Conflict("They have pledged anew instead of this.", cure)
    await _say(tx, pledge, Said.EXPECTED_AGAIN, pence, reason)
    note(tx, "pledge_expected_again", "pledge", pledge_id, after=_noted(tx, pence, reason))


async def steps_of(tx: Transaction, pledge_id: UUID) -> list[Mapping[str, Any]]:
    """What was said of what will come of a pledge, newest first."""
    return [row async for row in FUNDS.pledge_steps_of(tx, pledge_id=pledge_id)]


def was_replaced(steps: Sequence[Mapping[str, Any]]) -> bool:
    """Whether another pledge has taken the place of one."""
    return bool(steps) and steps[0]["what"] == Said.REPLACED


def _noted(tx: Transaction, pence: int, reason: str) -> Mapping[str, Any]:
    return {"pence": pence, "reason": digest_of(tx, reason)}


async def _say(tx: Transaction, pledge: Any, what: Said, pence: int, reason: str) -> None:
    """Wait no more for what is open of a pledge, or again for what was not waited for, and announce it.

    The reason stays here: it is in somebody's words.
    """
    number = await _write_down(tx, pledge["id"], what, pence, reason)
    again = what is Said.EXPECTED_AGAIN
    written_back = 0 if again else pledge["written_back_pence"] + pence
    await FUNDS.set_written_back(tx, id=pledge["id"], pence=written_back, reason="" if again else reason)
    await announce(
        tx,
        ContributionWrittenBack,
        subject=pledge["id"],
        sequence=number,
        pledge_id=pledge["id"],
        organisation_id=pledge["organisation_id"],
        campaign_id=pledge["campaign_id"],
        fund=pledge["fund"],
        amount=pounds_sterling(written_back),
        written_back_on=tx.today,
        expected_again=pounds_sterling(pence) if again else None,
    )


async def _write_down(tx: Transaction, pledge_id: UUID, what: Said, pence: int, reason: str) -> int:
    step = {"what": what.value, "amount_pence": pence, "words": reason, "person_id": person_of(tx)}
    return int(await FUNDS.enter_pledge_step(tx, pledge_id=pledge_id, **step, now=tx.now))


async def receive(tx: Transaction, fund_id: UUID, receipt: Receipt) -> UUID:
    """Enter money that came, and announce it. From now on it can be committed.

    Raises:
        NotFound, Refused, Conflict: when the fund, the pledge or its rest is not there, or the same money
            was entered before.
    """
    fund = await _open_fund(tx, fund_id)
    await _refuse_twice(tx, fund_id, receipt)
    pledge = await _pledge_for(tx, fund_id, receipt)
    organisation_id = pledge["organisation_id"] if pledge else receipt.organisation_id
    id = uuid_utils.compat.uuid7()
    await FUNDS.enter_contribution(
        tx,
        id=id,
        fund_id=fund_id,
        organisation_id=organisation_id,
        pledge_id=receipt.pledge_id,
        amount_pence=receipt.amount_pence,
        received_on=receipt.received_on,
        bank_reference=receipt.bank_reference,
        entered_by=person_of(tx),
        now=tx.now,
    )
    if pledge:
        await FUNDS.note_received(tx, id=pledge["id"], pence=receipt.amount_pence)
    await ledger.receive(tx, fund_id, receipt.amount_pence, contribution=id, on=receipt.received_on)
    await announce(
        tx,
        ContributionReceived,
        subject=id,
        sequence=1,
        contribution_id=id,
        fund_id=fund_id,
        fund=fund["name"],
        organisation_id=organisation_id,
        campaign_id=pledge["campaign_id"] if pledge else None,
        amount=pounds_sterling(receipt.amount_pence),
        received_on=receipt.received_on,
    )
    received = {
        "fund": fund_id,
        "organisation": organisation_id,
        "pledge": receipt.pledge_id,
        "amount_pence": receipt.amount_pence,
        "received_on": receipt.received_on,
        "bank_reference": digest_of(tx, receipt.bank_reference),
    }
    note(tx, "contribution_received", "contribution", id, after=received)
    return id


async def refund(tx: Transaction, contribution_id: UUID, pence: int, on: date) -> None:
    """Give money back to whoever gave it, and announce it.

    Raises:
        NotFound, Refused: when there is no such contribution, or less of it is left.
        FundExhausted: when the fund has less that is free.
    """
    given = await FUNDS.lock_contribution(tx, id=contribution_id)
    if given is None:
        raise NotFound
    left = given["amount_pence"] - given["refunded_pence"]
    if pence > left:
        raise Refused(f"{pounds(left)} of this contribution is left.", "Write at most that.", field="amount")
    if on < given["received_on"]:
        raise Refused("That is before the money came.", "Write the day on which it went back.", field="on")
    cause = uuid_utils.compat.uuid7()
    await ledger.refund(tx, given["fund_id"], pence, contribution=contribution_id, cause=cause, on=on)
    version = await FUNDS.note_refunded(tx, id=contribution_id, pence=pence)
    await announce(
        tx,
        ContributionRefunded,
        subject=contribution_id,
        sequence=version,
        contribution_id=contribution_id,
        fund_id=given["fund_id"],
        fund=given["fund"],
        organisation_id=given["organisation_id"],
        campaign_id=given["campaign_id"],
        amount=pounds_sterling(pence),
        refunded_on=on,
    )
    refunded = {"fund": given["fund_id"], "amount_pence": pence, "refunded_on": on}
    note(tx, "contribution_refunded", "contribution", contribution_id, after=refunded)


async def _refuse_twice(tx: Transaction, fund_id: UUID, receipt: Receipt) -> None:
    """Two people with one bank statement enter a line of it once. The fund is locked."""
    line = {name: getattr(receipt, name) for name in ("received_on", "amount_pence", "bank_reference")}
    if await FUNDS.entered_before(tx, fund_id=fund_id, **line):
        what = "This was entered before: the same amount, day and reference."
        cure = "If the same came twice on that day, add to the reference what tells them apart."
        raise Refused(what, cure, field="bank_reference")


async def _pledge_for(tx: Transaction, fund_id: UUID, receipt: Receipt) -> Any:
    """The pledge that money came for; nothing where none was made."""
    if receipt.pledge_id is None:
        return None
    pledge = await FUNDS.lock_pledge(tx, id=receipt.pledge_id)
    if pledge is None or pledge["fund_id"] != fund_id:
        raise Refused("This pledge is not for this fund.", "Choose one from the list.", field="pledge")
    if receipt.amount_pence > _open_pence(pledge):
        cure = "Enter that much for the pledge, and the rest as money that nobody had pledged."
        raise Refused(f"{pounds(_open_pence(pledge))} of this pledge is open.", cure, field="amount")
    return pledge


async def _open_fund(tx: Transaction, fund_id: UUID) -> Any:
    fund = await FUNDS.lock_fund(tx, id=fund_id)
    if fund is None:
        raise NotFound
    if fund["closed_on"] is not None:
        raise Conflict("This fund is closed.", "Open it again first, on its page.")
    return fund


def _open_pence(pledge: Any) -> int:
    """What of a pledge is still to come."""
    return int(pledge["amount_pence"] - pledge["received_pence"] - pledge["written_back_pence"])
