"""Funds: who gives money, what for, and what it may be spent on. What they have, the ledger alone knows."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Self
from uuid import UUID

import uuid_utils.compat

from chassis.audit import digest_of, note
from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound, Refused
from chassis.files import keep_file
from chassis.house import Entry
from services.grants.domain import Overtaken, folded
from services.grants.queries import FUNDS, LEDGER, ROUNDS


@dataclass(frozen=True, kw_only=True)
class Fund:
    """A fund as somebody describes it."""

    name: str
    purpose: str
    #: What it may be spent on, in words and as codes of the house's list.
    restriction: str
    restrictions: tuple[str, ...]
    #: The bodies that give it.
    funders: tuple[UUID, ...]
    opened_on: date

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """The fund in a row."""
        values = {name: row[name] for name in cls.__dataclass_fields__}
        return cls(**values | {name: tuple(values[name]) for name in ("restrictions", "funders")})


@dataclass(frozen=True)
class Allowed:
    """What a fund may be spent on, as codes. Nothing stands for anything."""

    professions: frozenset[str] | None
    purposes: frozenset[str] | None


def allowed_by(codes: Iterable[str], restrictions: Mapping[str, Entry]) -> Allowed:
    """What restrictions allow together: each lets something be spent, and none takes that back.

    A restriction that the house has no longer allows nothing.
    """
    known = [restrictions[code].attributes if code in restrictions else _NOTHING for code in codes]
    return Allowed(_together(known, "professions"), _together(known, "purposes"))


_NOTHING: Mapping[str, object] = {"professions": [], "purposes": []}


def _together(entries: list[Mapping[str, object]], name: str) -> frozenset[str] | None:
    lists = [entry.get(name) for entry in entries]
    if not lists or None in lists:
        return None
    return frozenset(str(code) for each in lists if isinstance(each, list) for code in each)


async def open_fund(tx: Transaction, fund: Fund) -> UUID:
    """Enter a fund with an empty ledger. The pledges that wait under its name are its own from now on.

    Raises:
        Refused: when another fund has the name.
    """
    id = uuid_utils.compat.uuid7()
    await FUNDS.open_fund(tx, id=id, **_columns(fund), now=tx.now)
    await LEDGER.open_ledger(tx, fund_id=id)
    await _claim(tx, id, fund.name)
    note(tx, "fund_opened", "fund", id, after=_facts(tx, fund))
    return id


async def amend_fund(tx: Transaction, id: UUID, fund: Fund) -> None:
    """Put right what a fund is. Its former names go on meaning it.

    The caller has locked it.

    Raises:
        Refused: when another fund has the name.
    """
    before = Fund.of(await FUNDS.fund_by_id(tx, id=id))
    await FUNDS.amend_fund(tx, id=id, **_columns(fund), now=tx.now)
    await _claim(tx, id, fund.name)
    note(tx, "fund_amended", "fund", id, before=_facts(tx, before), after=_facts(tx, fund))


async def close_fund(tx: Transaction, id: UUID) -> None:
    """Let nothing come and nothing be promised any more, from today.

    Raises:
        NotFound, Conflict: when there is none, or somebody still counts on it.
    """
    row = await FUNDS.lock_fund(tx, id=id)
    if row is None:
        raise NotFound
    if row["closed_on"] is not None:
        raise Overtaken("This fund was closed before.", "Open the page again.")
    await LEDGER.lock_balance(tx, fund_id=id)
    if await LEDGER.open_commitments(tx, fund_id=id):
        raise Conflict("Awards from this fund wait to be paid.", "Pay them or release them first.")
    if await ROUNDS.rounds_under_way(tx, fund_id=id):
        raise Conflict("A round of this fund is under way.", "Close it once its round is over.")
    today = tx.now.astimezone(LOCAL).date()
    await FUNDS.close_fund(tx, id=id, closed_on=max(today, row["opened_on"]), now=tx.now)
    note(tx, "fund_closed", "fund", id)


async def open_again(tx: Transaction, id: UUID) -> None:
    """Take back that a fund was closed.

    Raises:
        NotFound, Conflict: when there is none, or it is open.
    """
    row = await FUNDS.lock_fund(tx, id=id)
    if row is None:
        raise NotFound
    if row["closed_on"] is None:
        raise Overtaken("This fund is open.", "Open the page again.")
    await FUNDS.close_fund(tx, id=id, closed_on=None, now=tx.now)
    note(tx, "fund_opened_again", "fund", id)


async def keep_terms(
    tx: Transaction,
    fund_id: UUID,
    *,
    name: str,
    media_type: str,
    content: AsyncIterator[bytes],
    requires_status: bool,
) -> None:
    """Put terms on file. They count from now on; earlier ones stay to be looked at.

    Args:
        requires_status: they ask for a rule on the immigration status of whoever applies.

    Raises:
        NotFound: when there is no such fund.
    """
    if await FUNDS.lock_fund(tx, id=fund_id) is None:
        raise NotFound
    file = await keep_file(tx, name=name, media_type=media_type, content=content)
    id = uuid_utils.compat.uuid7()
    await FUNDS.keep_terms(
        tx, id=id, fund_id=fund_id, file_id=file.id, requires_status=requires_status, now=tx.now
    )
    kept = {"terms": id, "file": file.digest.hex(), "requires_status": requires_status}
    note(tx, "terms_kept", "fund", fund_id, after=kept)


async def _claim(tx: Transaction, id: UUID, name: str) -> None:
    meant = await FUNDS.claim_name(tx, name=folded(name), fund_id=id)
    if meant != id:
        cure = "Choose another name. A fund keeps its former names, so that pledges find it."
        raise Refused("Another fund has this name, or had it.", cure, field="name")
    await FUNDS.match_pledges(tx, fund_id=id, name=folded(name))


def _columns(fund: Fund) -> dict[str, Any]:
    lists = {"restrictions": list(fund.restrictions), "funders": list(fund.funders)}
    return {**asdict(fund), **lists}


def _facts(tx: Transaction, fund: Fund) -> dict[str, Any]:
    """As the audit says it: codes, ids and digests."""
    words = {name: digest_of(tx, getattr(fund, name)) for name in ("name", "purpose", "restriction")}
    return {**_columns(fund), **words}
