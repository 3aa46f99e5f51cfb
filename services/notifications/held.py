"""What is held here on somebody we wrote to: telling it, and forgetting it."""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.context import Context
from chassis.database import Transaction
from chassis.files import drop_files, file_content
from chassis.retention import Term
from chassis.rights import Forgotten, Held, Keeper, Subject, written
from contracts.notifications import ErasureAnswered, PersonDataGathered, PersonScrubbed
from services.notifications.colleagues import forget_colleagues, names_kept
from services.notifications.letters import body_of, subject_of
from services.notifications.queries import ANSWERING, INCOMING, POSTING, QUERIES

#: What stands in a letter instead of the name.
NAME_GONE = "somebody whose name is no longer kept"

#: What stays when somebody was forgotten.
KEPT = (
    "That letters went to their organisation, what they asked for and whether it answered, without a name: "
    "so that figures stay true."
)


KEPT_STOP = (
    "That we are never to write to this address again, as a code from which nobody can read the address: "
    "without it we might write again."
)


async def gather(tx: Transaction, subject: Subject) -> AsyncIterator[Held]:
    """Their name as a colleague, the entry in the address book, every letter with what came back, and what is
    still to be said.
    """
    for number, name in enumerate(filter(None, (await names_kept(tx, subject.ids)).values()), 1):
        title = f"Their account, as letters knows it, {number}"
        yield written(f"colleague-{number}.json", title, {"name": name})
    ids, names = list(subject.ids), [name.lower() for name in subject.names]
    addresses = [row async for row in QUERIES.addresses_held(tx, ids=ids)]
    for number, row in enumerate(addresses, 1):
        yield written(f"address-{number}.json", f"Entry {number} in the address book", _told(row))
    letters = [row async for row in QUERIES.letters_held(tx, ids=ids)]
    came_back = await _by_letter(QUERIES.answers_held(tx, ids=[row["id"] for row in letters]))
    happened = await _by_letter(QUERIES.history_held(tx, ids=[row["id"] for row in letters]))
    for letter in letters:
        id, reference = letter["id"], letter["reference"]
        content = _letter(tx.context, letter) | {"answers": came_back[id], "history": happened[id]}
        yield written(f"letters/{reference}.json", f"Letter {reference}", content)
    elsewhere = [_told(row) async for row in QUERIES.answers_by_name(tx, ids=ids, names=names)]
    if elsewhere:
        title = "Answers to other letters, found by the name alone: perhaps somebody else's"
        yield written("answers-by-name.json", title, {"answers": elsewhere})
    suggested = ANSWERING.suggestions_held(tx, ids=ids, emails=list(subject.emails), names=names)
    if named := [_told(row) async for row in suggested]:
        title = "Where somebody named them as the right person for a letter"
        yield written("suggested.json", title, {"suggested": named})
    if stops := [_told(row) async for row in ANSWERING.stops_held(tx, ids=ids)]:
        yield written("stops.json", "That we are never to write to them again", {"stops": stops})
    emails = [email.lower() for email in subject.emails]
    mails = INCOMING.incoming_held(tx, letter_ids=[row["id"] for row in letters], emails=emails)
    async for row in mails:
        told = {name: value for name, value in row.items() if name != "file_id"}
        yield written(f"mail/{row['id']}.json", "A mail that came to us", _told(told))
        if row["file_id"] is not None:
            raw = await file_content(tx, row["file_id"])
            yield Held(path=f"mail/{row['id']}.eml", title="The same mail as it came", content=raw)
    waiting = [_told(row) async for row in QUERIES.notices_held(tx, emails=list(subject.emails))]
    if waiting:
        yield written("messages.json", "Messages that are on their way", {"messages": waiting})


async def _by_letter(rows: AsyncIterator[Mapping[str, Any]]) -> dict[UUID, list[dict[str, Any]]]:
    found = defaultdict[UUID, list[dict[str, Any]]](list)
    async for row in rows:
        found[row["letter_id"]].append(_told(row))
    return found


def _letter(context: Context, letter: Any) -> dict[str, Any]:
    frozen = letter["frozen"]
    return {
        "reference": letter["reference"],
        "campaign": letter["campaign"],
        "to": frozen["values"]["contact_name"],
        "address": frozen["recipient_address"],
        "address from": frozen["address_source"],
        "subject": subject_of(context, letter),
        "text": body_of(context, letter),
        "state": letter["state"],
        "sent": letter["sent_at"],
        "answer": letter["answer"],
    }


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    hidden = {"id", "letter_id"}
    return {name.replace("_", " "): value for name, value in row.items() if name not in hidden}


async def objection(tx: Transaction, subject: Subject) -> str | None:
    """Nothing here stands against it: a letter that waits for somebody who is forgotten is set aside."""
    return None


async def forget(tx: Transaction, subject: Subject) -> Forgotten:
    """Take them out of the address book and out of every letter; say nothing more to them."""
    ids = [row["id"] async for row in QUERIES.letters_of_contacts(tx, ids=list(subject.ids))]
    emails = [email.lower() for email in subject.emails]
    mails = [row["id"] async for row in INCOMING.mails_about(tx, letter_ids=ids, emails=emails)]
    scrubbed = await _scrub(tx, ids)
    names = [name.lower() for name in subject.names]
    elsewhere = await ANSWERING.forget_answers_by_name(
        tx, names=names, ids=list(subject.ids), letters=ids, gone=NAME_GONE
    )
    asked = {"ids": list(subject.ids), "emails": list(subject.emails), "letters": list[UUID]()}
    suggested = await ANSWERING.forget_suggestions(tx, **asked, now=tx.now)
    await ANSWERING.forget_why_lifted(tx, ids=list(subject.ids))
    return Forgotten(
        counts={
            "names of colleagues": await forget_colleagues(tx, subject.ids),
            "entries in the address book": await QUERIES.forget_addresses(tx, ids=list(subject.ids)),
            "letters": scrubbed["letters"],
            "answers": scrubbed["answers"] + elsewhere,
            "suggestions": suggested,
            "mails that came": await _scrub_mails(tx, mails),
            "messages": await QUERIES.forget_notices(tx, emails=list(subject.emails), now=tx.now),
        },
        kept=tuple(await _kept(tx, subject, scrubbed["letters"])),
    )


async def _kept(tx: Transaction, subject: Subject, letters: int) -> list[str]:
    """What stays, in sentences."""
    stops = [row async for row in ANSWERING.stops_held(tx, ids=list(subject.ids))]
    return [*([KEPT] if letters else []), *([KEPT_STOP] if stops else [])]


async def _scrub(tx: Transaction, ids: list[UUID]) -> Mapping[str, int]:
    scrubbed: Mapping[str, int] = await QUERIES.scrub_letters(tx, ids=ids, name=NAME_GONE, now=tx.now)
    await drop_files(tx, [row["file_id"] async for row in POSTING.files_with(tx, letters=ids)])
    await POSTING.forget_addresses_printed(tx, letters=ids)
    asked = {"ids": list[UUID](), "emails": list[str](), "letters": ids}
    await ANSWERING.forget_suggestions(tx, **asked, now=tx.now)
    return scrubbed


async def _scrub_mails(tx: Transaction, ids: list[UUID]) -> int:
    """Keep no longer who wrote these and what, nor the mails as they came."""
    await _drop_raw(tx, ids)
    return int(await INCOMING.scrub_incoming(tx, ids=ids, now=tx.now))


async def _drop_raw(tx: Transaction, ids: list[UUID]) -> None:
    await drop_files(tx, [row["file_id"] async for row in INCOMING.drop_raw(tx, ids=ids)])


async def _old_mails(tx: Transaction, before: datetime, most: int) -> int:
    """Beside a letter its words stay for as long as the letter does; what is about none goes altogether."""
    raw = [row["id"] async for row in INCOMING.raw_until(tx, before=before, most=most)]
    await _drop_raw(tx, raw)
    unmatched = [row["id"] async for row in INCOMING.unmatched_until(tx, before=before, most=most)]
    await _scrub_mails(tx, unmatched)
    return len({*raw, *unmatched})


async def _old_letters(tx: Transaction, before: datetime, most: int) -> int:
    ids = [row["id"] async for row in QUERIES.letters_until(tx, before=before, most=most)]
    mails = [row["id"] async for row in INCOMING.mails_about(tx, letter_ids=ids, emails=[])]
    await _scrub_mails(tx, mails)
    return (await _scrub(tx, ids))["letters"]


async def _old_notices(tx: Transaction, before: datetime, most: int) -> int:
    return int(await QUERIES.purge_notices(tx, before=before, most=most))


async def _old_files(tx: Transaction, before: datetime, most: int) -> int:
    ids = [row["file_id"] async for row in POSTING.files_until(tx, before=before, most=most)]
    await drop_files(tx, ids)
    return len(ids)


TERMS = (
    Term(what="letters", months=72, since="after anything last happened to a letter", scrub=_old_letters),
    Term(what="incoming mail", months=12, since="after it came", scrub=_old_mails),
    Term(what="files to print", months=3, since="after their letters were posted", scrub=_old_files),
    Term(what="messages", months=3, since="after a message was sent", scrub=_old_notices),
)

KEEPER = Keeper(
    part="for_notifications",
    gather=gather,
    objection=objection,
    forget=forget,
    gathered=PersonDataGathered,
    answered=ErasureAnswered,
    scrubbed=PersonScrubbed,
)
