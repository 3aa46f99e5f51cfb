"""An agreement of the example, from its file: drafted, offered and signed the way that people do it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.database import Transaction
from services.partners import agreements, signing
from services.partners.agreements import Owner
from services.partners.queries import AGREEMENTS, QUERIES
from services.partners.signing import Signer
from services.partners.terms import TEXTS, Outcome, Terms


async def agree(tx: Transaction, said: Mapping[str, Any]) -> None:
    """Make an agreement as far as the file says it came, unless the body has one of that name."""
    organisation: UUID = await QUERIES.organisation_identified(tx, identifier=said["organisation"])
    rows = AGREEMENTS.agreements_listed(tx, organisation_id=organisation, state="", most=50, before=0)
    if said["title"] in {row["title"] async for row in rows}:
        return
    owners = {each.name: each for each in await agreements.owners_to_choose(tx, organisation)}
    keeper = owners[said["kept_by"]].id
    id = await agreements.begin(tx, organisation, said["title"], keeper)
    await agreements.save(tx, await agreements.lock(tx, id), _terms(tx, said, owners), keeper)
    if said.get("offered"):
        await _sign(tx, id, said, owners)


def _terms(tx: Transaction, said: Mapping[str, Any], owners: Mapping[str, Owner]) -> Terms:
    today = tx.today
    return Terms(
        **{name: said.get(name, "") for name in TEXTS},
        outcomes=tuple(
            Outcome(
                id=uuid_utils.compat.uuid7(),
                what=each["what"],
                measure=each["measure"],
                due_on=today + timedelta(days=each["due_in_days"]),
                side=owners[each["owner"]].side,
                owner_id=owners[each["owner"]].id,
            )
            for each in said.get("outcomes", ())
        ),
        reviews=tuple(today + timedelta(days=days) for days in said.get("reviews_in_days", ())),
    )


async def _sign(tx: Transaction, id: UUID, said: Mapping[str, Any], owners: Mapping[str, Owner]) -> None:
    to = owners[said["sent_to"]].id if "sent_to" in said else None
    number = await agreements.offer(tx, id, (await agreements.lock(tx, id))["revision"], to)
    if "their_signer" in said:
        theirs = Signer.typed(*said["their_signer"])
        await signing.sign_theirs(tx, agreements.token_of(tx, id, number), theirs)
    if "our_signer" in said:
        name, position = said["our_signer"]
        await signing.sign_ours(tx, id, number, owners[name].id, position)
