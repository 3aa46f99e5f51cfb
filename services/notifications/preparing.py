"""Making the letters of a campaign from what is known now.

They are made all at once, however many there are. What the ask rests on (figure, source,
date, version of the formula) is frozen into each of them. Made anew, the letter to somebody stays where it
was, so that whoever reads it finds it there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.audit import note
from chassis.context import Context
from chassis.database import Transaction
from chassis.errors import Refused
from chassis.house import House, word, word_within
from chassis.links import link_digest
from services.notifications.campaigns import (
    TOKENS,
    addressed_to,
    formula_of,
    formula_words_of,
    is_whole,
    lock_draft,
    sender_of,
)
from services.notifications.colleagues import done_by
from services.notifications.domain import (
    Block,
    ByPost,
    Channel,
    StopScope,
    and_words,
    block_reason,
    channel_of,
    day_words,
    message_id,
    pounds,
    registered_words,
    response_token,
    stopped_block,
)
from services.notifications.leaving import kept_here
from services.notifications.parts import in_parts, parts_of
from services.notifications.queries import COMPOSING, QUERIES
from services.notifications.stops import stopped
from services.notifications.wording import MISSING


@dataclass(frozen=True)
class Made:
    """What came of making the letters of a draft."""

    letters: int
    #: Of those with words of their own: how many kept them, and how many did not or are not written now.
    kept: int
    dropped: int


async def prepare_letters(tx: Transaction, campaign_id: UUID, *, keep_own: bool = True) -> Made:
    """Make one letter for each contact of the chosen roles, from what is known now.

    Done again on a draft, it makes them anew. A letter that cannot go is made as well, and says why.

    Args:
        keep_own: whether a letter that was given words of its own keeps them.

    Raises:
        NotFound, Conflict: when there is no such campaign, or it is no draft any more.
        Refused: when it is not known yet who receives it or what it says.
    """
    campaign = await lock_draft(tx, campaign_id)
    if not is_whole(campaign):
        raise Refused("This campaign is not finished.", "Say who receives it and what it says first.")
    today = tx.context.clock.today()
    counts = {row["area"]: row async for row in QUERIES.counts_of(tx, profession=campaign["profession"])}
    before = {row["contact_id"]: row async for row in COMPOSING.letters_before(tx, campaign_id=campaign_id)}
    chosen = {name: campaign[name] for name in ("kind", "areas", "roles", "in_turn", "by_post")}
    recipients = [row async for row in QUERIES.recipients(tx, **chosen, today=today)]
    stops = await stopped(tx, [row["contact_id"] for row in recipients])
    maker = _Maker(tx, campaign, counts, before, stops, keep_own=keep_own)
    letters = [maker.letter(number, row) for number, row in enumerate(recipients, 1)]
    await in_parts(QUERIES.forget_letters, tx, campaign_id=campaign_id)
    for part in parts_of(letters):
        await enter_letters(tx, campaign_id, part, "Written")
    note(tx, "letters_written", "campaign", campaign_id, after={"letters": len(letters)})
    kept = sum(letter["own_body"] is not None for letter in letters)
    own = sum(row["own_body"] is not None for row in before.values())
    return Made(letters=len(letters), kept=kept, dropped=own - kept)


async def enter_letters(
    tx: Transaction, campaign_id: UUID, letters: Sequence[Mapping[str, Any]], what: str
) -> None:
    """Enter letters that were prepared; `what` is the first line in the history of each."""
    said = {"what": what, **done_by(tx), "now": tx.now}
    await QUERIES.enter_letters(tx, campaign_id=campaign_id, letters=letters, **said)


async def prepare_letter(tx: Transaction, campaign: Any, number: int, row: Any) -> dict[str, Any]:
    """One letter more of a campaign, to the recipient `row`, as what enters letters takes it."""
    profession = campaign["profession"]
    counts = {counted["area"]: counted async for counted in QUERIES.counts_of(tx, profession=profession)}
    stops = await stopped(tx, [row["contact_id"]])
    return _Maker(tx, campaign, counts, {}, stops).letter(number, row)


def letterhead_of(context: Context) -> dict[str, Any]:
    """What every letter says of us, as it is frozen into each; with the values of its fields."""
    house = context.house
    return {
        "values": {
            "house_name": house.name,
            "house_short_name": house.short_name,
            "house_telephone": house.telephone,
            "house_email": house.email,
        },
        "house_number": house.number,
        "house_address": list(house.address),
        "house_website": house.website,
        "how_to_stop": "If you want no more letters from us, say so on the page where you answer, write "
        f"to {house.email} or ring {house.telephone}, and we shall stop.",
        "origin": context.settings.origin,
    }


def signed_by(house: House, code: str) -> dict[str, str]:
    """The values of the fields that say who signs; none where nobody is chosen yet."""
    signatory = house.signatories.get(code)
    if signatory is None:
        return {}
    return {"signatory_name": signatory.name, "signatory_position": signatory.position}


def role_values(house: House, code: str) -> dict[str, str]:
    """The values of the fields that say what somebody does at a body."""
    roles = house.lists["contact_roles"]
    return {"contact_role": word(roles, code), "contact_role_in_text": word_within(roles, code)}


class _Maker:
    """Makes the letters of one campaign: everything but their template, their date and their link."""

    def __init__(
        self,
        tx: Transaction,
        campaign: Any,
        counts: Mapping[str, Any],
        before: Mapping[UUID, Any],
        stops: Mapping[UUID, StopScope],
        *,
        keep_own: bool = True,
    ) -> None:
        self._context = tx.context
        self._house = tx.context.house
        self._today = tx.context.clock.today()
        self._campaign = campaign
        self._counts = counts
        #: The letters as they were, by the contact they are for.
        self._before = before
        self._keep_own = keep_own
        self._stops = stops
        #: Why none of them can go.
        self._kept = kept_here(tx.context.settings, tx.context.house)
        self._formula = formula_of(campaign)
        self._profession = self._house.lists["professions"].get(campaign["profession"])
        self._token_key = tx.context.keys.derive(TOKENS)
        self._domain = sender_of(tx.context).rpartition("@")[2]

    def letter(self, number: int, row: Any) -> dict[str, Any]:
        """A letter as the statement that enters all of them takes it."""
        before = self._before.get(row["contact_id"])
        id: UUID = before["id"] if before else uuid_utils.compat.uuid7()
        areas = {code: self._counts.get(code) for code in row["areas"]}
        channel = channel_of(ByPost(self._campaign["by_post"]), listed=row["channel"], email=row["email"])
        block = self._block(row, areas, channel)
        count = self._count(areas)
        ask = None if block or count is None or self._formula is None else self._formula.ask(count)
        own = before if self._keep_own else None
        dates = [known["counted_on"] for known in areas.values() if known]
        reference = f"C{self._campaign['number']}-{number:03d}"
        return {
            "id": str(id),
            "organisation_id": str(row["organisation_id"]),
            "contact_id": str(row["contact_id"]),
            "number": number,
            "reference": reference,
            "role": row["role"],
            "channel": channel.value,
            "body_name": row["body_name"],
            "areas": row["areas"],
            "state": "blocked" if block else "draft",
            "ask_pence": ask,
            "count": count,
            "evidence_on": max(dates).isoformat() if dates else None,
            "evidence_source": self._source() if self._formula else None,
            "formula_version": self._formula.version if self._formula else None,
            "frozen": self._frozen(row, count, ask, None if count is None else max(dates, default=None)),
            "token_digest": link_digest(response_token(self._token_key, id)).hex(),
            "message_id": message_id(id, self._domain),
            "reason": block.reason.value if block else None,
            "failure": block.words if block else None,
            "cure": block.cure if block else None,
            "words_version": self._campaign["words_version"],
            "own_subject": own["own_subject"] if own else None,
            "own_body": own["own_body"] if own else None,
            "version": before["version"] + 1 if before else 1,
        }

    def _count(self, areas: Mapping[str, Any]) -> int | None:
        """How many people an ask rests on; nothing where some area was not counted, or nothing is asked."""
        if self._formula is None or None in areas.values():
            return None
        total: int = sum(known["count"] for known in areas.values() if known)
        return total

    def _block(self, row: Any, areas: Mapping[str, Any], channel: Channel) -> Block | None:
        if self._kept:
            return self._kept
        if row["contact_id"] in self._stops:
            return stopped_block(self._stops[row["contact_id"]])
        named = {self._area(code): known["count"] if known else None for code, known in areas.items()}
        return block_reason(
            on=self._today,
            closed_on=row["closed_on"],
            successor=row["successor"],
            channel=channel,
            email=row["email"],
            postal_address=row["postal_address"] or (),
            asks=self._formula is not None,
            counts=named,
        )

    def _frozen(self, row: Any, count: int | None, ask: int | None, counted_on: Any) -> dict[str, Any]:
        areas = and_words([self._area(code) for code in row["areas"]])
        letterhead = letterhead_of(self._context)
        values = {
            "contact_name": row["name"],
            **role_values(self._house, row["role"]),
            "body_name": row["body_name"],
            "areas": areas,
            "fund": self._campaign["fund"],
            **signed_by(self._house, self._campaign["signatory"]),
            **letterhead["values"],
            **self._evidence(count, ask, counted_on),
        }
        return {
            **letterhead,
            "values": values,
            **addressed_to(row),
            "formula": formula_words_of(self._house, self._campaign),
            "figure": f"{values['registered']} registered {self._plural()} in {areas}"
            if self._formula
            else None,
            "counted_on": counted_on.isoformat() if counted_on else None,
        }

    def _evidence(self, count: int | None, ask: int | None, counted_on: Any) -> dict[str, str]:
        """What a letter says of the ask and what it rests on; nothing where nothing is asked."""
        if self._formula is None:
            return {}
        return {
            "registered": registered_words(count) if count is not None else MISSING,
            "profession_plural": self._plural(),
            "ask": pounds(ask) if ask is not None else MISSING,
            "evidence_date": day_words(counted_on) if counted_on else MISSING,
            "evidence_source": self._source(),
        }

    def _area(self, code: str) -> str:
        return word(self._house.lists["areas"], code)

    def _plural(self) -> str:
        if self._profession is None:
            return "people"
        return str(self._profession.attributes.get("plural", f"{self._profession.name.lower()}s"))

    def _source(self) -> str:
        return f"{self._house.short_name}’s register of {self._plural()}"
