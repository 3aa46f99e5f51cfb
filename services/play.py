"""The Forum's year, played on services that run: as the example to look at, or as the story with its figures.

Everything goes the way that a person's work goes: files are imported, a campaign is written and sent, two
trusts answer. Nothing passes by the outbox, the inbox or the database. Every step may be repeated: what is
done already stays as it is, so a load that was interrupted is finished by the next start.
"""

import asyncio
import json
import tomllib
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from itertools import product
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from chassis.config import Settings
from chassis.database import Database, Transaction
from chassis.outbox import QUERIES as MESSAGES
from chassis.process import Process
from chassis.web import pounds
from contracts.access import ROLES, Role
from contracts.catalogue import facts_for, facts_of
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS, SERVICES
from services import play_awards, play_grants
from services.admission import NOBODY_YET
from services.example_clock import play_on
from services.grants import applying, ledger
from services.grants.counting import figures as evidence_of
from services.grants.imports import import_registrations
from services.installation import EXAMPLES
from services.notifications.answers import Answer, record_answer
from services.notifications.campaigns import campaign_called, create_campaign, lock_campaign
from services.notifications.chasing import SECOND_THOUGHTS, chase_bodies, chasers_on_their_way, due
from services.notifications.domain import AnswerKind
from services.notifications.figures import document
from services.notifications.figures import figures as letters_of
from services.notifications.letters import letter_to_area
from services.notifications.notices.courier import waiting_mail
from services.notifications.plans import Plan, read_plan
from services.notifications.preparing import prepare_letters
from services.notifications.sending import SEND_LETTERS
from services.notifications.stages import approve_campaign, send_campaign, submit_campaign
from services.notifications.waiting import note_lateness
from services.partners import people
from services.partners.examples import agree
from services.partners.figures import figures as partners_of
from services.partners.held import was_erased
from services.partners.imports import import_partners
from services.partners.queries import PEOPLE
from services.partners.services_file import import_services
from services.partners.signing_in import ready_link

#: The two trusts that were in the doctors' project, by the area they served, and what they answered.
DECLINED = {
    "E09000020": "We have no further means for this, and it is no longer among our priorities.",
    "E09000033": "We regret that we have no means left this year; it is not a priority for us at present.",
}

#: Who writes the campaign, and who reads it before it goes.
WRITER, READER = "leyla.demir@forum.example", "amina.kovacevic@forum.example"

#: The longest that any one step may take, in seconds.
_PATIENCE = 120


async def example(process: Process) -> None:
    """Load the Forum's year, with letters sent seven weeks ago and a panel that meets in a week.

    Nothing, if it is there already.
    """
    if not await _finished(process):
        console = Console(stderr=True)
        console.print("Loading the Forum's year as an example …", highlight=False)
        await _back(process, days=49)
        await _play(process, console)
        await _pass(process, days=35)
        await _review(process, console)
        await _pass(process, days=6)
        await play_grants.open_next_round(process)
    await _admit(process)
    await _agree(process)


async def story(process: Process) -> None:
    """Play the year from empty to finished and print what came of it as a table."""
    Console().print(_table(await _tell(process)))


async def story_in_json(process: Process) -> None:
    """The same, as one line of JSON."""
    print(json.dumps(await _tell(process)), flush=True)


PLAYS: dict[str, Callable[[Process], Coroutine[Any, Any, None]]] = {
    "example": example,
    "story": story,
    "story-json": story_in_json,
}


async def _tell(process: Process) -> dict[str, Any]:
    console = Console(stderr=True)
    await _back(process, days=120)
    await _play(process, console)
    await _pass(process, days=35)
    await _chase(process, console)
    await _review(process, console)
    await _pass(process, days=13)
    await _meet(process, console)
    await _chase(process, console)
    await _pass(process, days=43)
    await _report(process, console)
    return await outcome_of(process)


async def _play(process: Process, console: Console) -> None:
    """The first steps of the year. Eight days pass between the letters and the answers."""
    with _steps(console) as step:
        await step("Importing organisations and contacts", _import_partners(process))
        await step("Importing what partners offer", _import_services(process))
        await step("Importing registrations", _import_registrations(process))
        await step("Admitting people", _admit(process))
        await step("Letting the services hear of each other", quiet(process))
        await step("Opening the funds and a round", play_grants.open_funds(process))
        await step("Asking the panel", play_grants.seat_panel(process))
        await step("Doctors apply for exam fees", play_grants.applications(process))
        await step("Writing to the 33 trusts", _send(process))
        await _pass(process, days=8)
        await step("Two trusts answer", _answer(process))
        await step("Letting the services hear of it", quiet(process))


async def _chase(process: Process, console: Console) -> None:
    """Whoever has not answered is chased. Nobody answers."""
    with _steps(console) as step:
        await step("Noting who is late", _note_late(process))
        await step("Chasing the trusts that are silent", _chase_silent(process))
        await step("Letting the services hear of it", quiet(process))


async def _review(process: Process, console: Console) -> None:
    """The round is over: what was sent is checked, and the panel reads and scores."""
    with _steps(console) as step:
        await step("Checking the applications", play_grants.check(process))
        await step("Handing them over to the panel", play_grants.hand_over(process))
        await step("The panel scores", play_grants.review(process))
        await step("Letting the services hear of it", quiet(process))


async def _meet(process: Process, console: Console) -> None:
    """The panel meets twice, because at first too few are left for one case; then the money goes out."""
    with _steps(console) as step:
        await step("The last member scores", play_awards.answer_late(process))
        await step("The panel meets", play_awards.meet(process, absent=True))
        await _pass(process, days=7)
        await step("It decides on what was put off", play_awards.meet(process, absent=False))
        await step("The decisions are published", play_awards.publish(process))
        await _pass(process, days=4)
        await step("The awards are accepted", play_awards.accept(process))
        await _pass(process, days=5)
        await step("The payments are made", play_awards.pay(process))
        await step("Letting the services hear of it", quiet(process))


async def _report(process: Process, console: Console) -> None:
    """One payment comes back; exams are sat."""
    with _steps(console) as step:
        await step("One payment comes back", play_awards.come_back(process))
        await step("Doctors tell how their exam went", play_awards.report(process))
        await step("Letting the services hear of it", quiet(process))


async def _admit(process: Process) -> None:
    async with process.database(PARTNERS).transaction() as tx:
        await admit_example(tx)


async def admit_example(tx: Transaction) -> None:
    """One person for each role, so that everything can be seen with their eyes; nobody who was forgotten."""
    for person in example_people():
        known = await PEOPLE.person_by_email(tx, email_key=person["email"].casefold())
        if known is None and not await was_erased(tx, person["email"]):
            await people.invite(tx, **person)


async def _agree(process: Process) -> None:
    """A signed agreement, one that waits for a signature, and a draft, each unless it is there."""
    found = tomllib.loads((EXAMPLES / "agreements.toml").read_text("utf-8"))["agreements"]
    async with process.database(PARTNERS).transaction() as tx:
        for agreement in found:
            await agree(tx, agreement)


def example_people() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads((EXAMPLES / "people.toml").read_text("utf-8"))["people"]
    return found


async def ready_links(process: Process) -> list[tuple[str, str, str]]:
    """Role, name and a link that signs in as them, once: for the first of each role who may sign in."""
    links: dict[str, tuple[str, str, str]] = {}
    async with process.database(PARTNERS).transaction() as tx:
        for person in example_people():
            known = await PEOPLE.person_by_email(tx, email_key=person["email"].casefold())
            if known is not None and known["barred_at"] is None:
                roles = ", ".join(ROLES[Role(role)][0] for role in known["roles"])
                if roles not in links:
                    links[roles] = (roles, known["name"], await ready_link(tx, known["id"]))
    return list(links.values())


async def nobody_yet(process: Process) -> bool:
    """Whether nobody may sign in."""
    async with process.database(PARTNERS).reading() as tx:
        return await people.nobody_yet(tx)


async def _import_partners(process: Process) -> None:
    _refuse_faults(
        await import_partners(process.database(PARTNERS), EXAMPLES / "partners.csv", dry_run=False)
    )


async def _import_services(process: Process) -> None:
    if faults := await import_services(process.database(PARTNERS), EXAMPLES / "services.csv"):
        raise ValueError(str(faults[0]))


async def _import_registrations(process: Process) -> None:
    file = EXAMPLES / "registrations.csv"
    _refuse_faults(await import_registrations(process.database(GRANTS), file, dry_run=False))


def _refuse_faults(report: Any) -> None:
    if report.faults:
        raise ValueError(str(report.faults[0]))


async def _send(process: Process) -> None:
    database = process.database(NOTIFICATIONS)
    writer, reader = await _known(process, WRITER), await _known(process, READER)
    async with database.transaction() as tx:
        if await campaign_called(tx, plan().name) is None:
            campaign = await create_campaign(tx, plan(), writer)
            await prepare_letters(tx, campaign)
            await submit_campaign(tx, campaign, writer)
            found = await lock_campaign(tx, campaign)
            await approve_campaign(tx, campaign, reader, found["version"])
            await send_campaign(tx, campaign)
    process.wake(NOTIFICATIONS, SEND_LETTERS)

    async def sent() -> bool:
        async with database.reading() as tx:
            return (await letters_of(tx, await _campaign(tx))).state == "sent"

    await _until(sent)


async def _known(process: Process, email: str) -> UUID:
    """Somebody of the example who was admitted by an earlier step."""
    async with process.database(PARTNERS).transaction() as tx:
        person = await PEOPLE.person_by_email(tx, email_key=email)
    if person is None:
        raise LookupError("nobody has been admitted yet")
    id: UUID = person["id"]
    return id


async def _answer(process: Process) -> None:
    async with process.database(NOTIFICATIONS).transaction() as tx:
        campaign = await _campaign(tx)
        for area, reason in DECLINED.items():
            letter = await letter_to_area(tx, campaign, area)
            await record_answer(tx, letter, Answer(kind=AnswerKind.DECLINE, detail=reason))


async def _note_late(process: Process) -> None:
    async with process.database(NOTIFICATIONS).transaction() as tx:
        await note_lateness(tx)


async def _chase_silent(process: Process) -> None:
    """Chase all on the list, and let the time pass in which that could be called back."""
    database = process.database(NOTIFICATIONS)
    async with database.transaction() as tx:
        rows = await due(tx, campaign_id=await _campaign(tx))
        await chase_bodies(tx, [(row["campaign_id"], row["organisation_id"]) for row in rows])
    play_on(process.settings, process.clock, SECOND_THOUGHTS)
    process.wake(NOTIFICATIONS, SEND_LETTERS)

    async def sent() -> bool:
        async with database.reading() as tx:
            return not await chasers_on_their_way(tx)

    await _until(sent)


async def _finished(process: Process) -> bool:
    async with process.database(NOTIFICATIONS).reading() as tx:
        campaign = await campaign_called(tx, plan().name)
        answered = campaign is not None and (await letters_of(tx, campaign)).answered > 0
    return answered and await play_grants.reviewed(process)


@cache
def plan() -> Plan:
    """The Forum's campaign to the 33 trusts."""
    return read_plan(tomllib.loads((EXAMPLES / "campaign.toml").read_text(encoding="utf-8")))


async def _campaign(tx: Transaction) -> UUID:
    """The campaign, which an earlier step has written."""
    id = await campaign_called(tx, plan().name)
    if id is None:
        raise LookupError("the letters were never written")
    return id


async def _back(process: Process, days: int) -> None:
    """Set the clock back. What was announced before would not be due until then, so it goes first."""
    await quiet(process)
    play_on(process.settings, process.clock, -timedelta(days=days))


async def _pass(process: Process, days: int) -> None:
    """Let days pass. What is on its way goes first: it would have waited as long, and mails come too late."""
    await quiet(process)
    play_on(process.settings, process.clock, timedelta(days=days))


async def quiet(process: Process) -> None:
    """Wait until every event is published and, being confirmed, taken in, and what they ask for is mailed."""
    await _until(lambda: settled(process.database))
    await _until(lambda: mailed(process.database))
    await _until(lambda: settled(process.database))


async def settled(database: Callable[[str], Database]) -> bool:
    """Whether all that is still kept of what was announced is published, and has come to whom it is for.

    Args:
        database: of a service.
    """
    for owner in SERVICES:
        async with database(owner).reading() as tx:
            if (await MESSAGES.outbox_state(tx))["pending"]:
                return False
    for owner, subscriber in product(SERVICES, SERVICES):
        types = [*(facts_of(owner).keys() & facts_for(subscriber).keys())]
        async with database(owner).reading() as tx:
            ids = [row["id"] async for row in MESSAGES.announced_ids(tx, types=types)]
        async with database(subscriber).reading() as tx:
            if await MESSAGES.never_seen(tx, ids=ids):
                return False
    return True


async def mailed(database: Callable[[str], Database]) -> bool:
    """Whether no mail waits to be sent."""
    async with database(NOTIFICATIONS).reading() as tx:
        waiting, _ = await waiting_mail(tx)
        return not waiting


async def _until(done: Callable[[], Awaitable[bool]]) -> None:
    """Look again and again: the services know of no play that waits for them."""
    while True:
        if await done():
            return
        await asyncio.sleep(0.1)


async def outcome_of(process: Process) -> dict[str, Any]:
    """What came of the year, in figures; amounts in pence."""
    events = await _event_counts(process)
    async with process.database(PARTNERS).reading() as tx:
        partners = await partners_of(tx)
    async with process.database(GRANTS).reading() as tx:
        evidence = await evidence_of(tx)
        received_pence = (await ledger.balance_of_all(tx)).received_pence
        applied = await applying.figures(tx)
        shared = await play_awards.figures(tx)
    async with process.database(NOTIFICATIONS).reading() as tx:
        letters = await document(tx, await _campaign(tx))
    names = ("asked", "answered", "declined", "never_acknowledged", "chased", "asks_pence")
    return {
        "partners": partners,
        "evidence": evidence,
        "letters": {name: letters[name] for name in names},
        "grants": {
            "fund_pence": received_pence,
            "applications": applied["count"],
            "asked_pence": applied["asked_pence"],
            **shared,
        },
        "events": events,
    }


async def _event_counts(process: Process) -> dict[str, int]:
    """Events over all services."""
    total = dict.fromkeys(("announced", "handled", "parked", "outbox_pending"), 0)
    for service in SERVICES:
        async with process.database(service).reading() as tx:
            total["outbox_pending"] += (await MESSAGES.outbox_state(tx))["pending"]
            total["announced"] += await MESSAGES.announced_count(tx)
            total["handled"] += await MESSAGES.handled_count(tx)
            total["parked"] += sum([row["count"] async for row in MESSAGES.parked_by_reason(tx)])
    return total


@contextmanager
def _steps(console: Console) -> Iterator[Callable[[str, Awaitable[None]], Awaitable[None]]]:
    """Shows each step while it runs and ticks it off afterwards; says nothing where nobody watches."""
    spinner = SpinnerColumn(finished_text="[green]✓[/green]")
    columns = (spinner, TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as shown:

        async def step(title: str, work: Awaitable[None]) -> None:
            task = shown.add_task(title, total=1)
            await asyncio.wait_for(work, _PATIENCE)
            shown.update(task, completed=1)

        yield step


def _table(outcome: dict[str, Any]) -> Table:
    letters, evidence, grants = outcome["letters"], outcome["evidence"], outcome["grants"]
    asks, events = letters["asks_pence"], outcome["events"]
    table = Table(
        "What came of the year", "", title="The Forum's year", title_style="bold", show_header=False
    )
    for words, figure in (
        ("Organisations we work with", f"{outcome['partners']['organisations']:,}"),
        ("Contacts there", f"{outcome['partners']['contacts']:,}"),
        ("Registered dentists", f"{evidence['registrations']:,} in {evidence['areas']} areas"),
        ("Income tax lost each year", pounds(evidence["income_tax_pence"])),
        ("National Insurance lost each year", pounds(evidence["national_insurance_pence"])),
        ("Received for exams", pounds(outcome["grants"]["fund_pence"])),
        ("Asked for by doctors", f"{pounds(grants['asked_pence'])} in {grants['applications']} applications"),
        ("Kept from members who are too close", f"{grants['conflicts']} times"),
        ("Awarded", pounds(grants["awarded_pence"])),
        ("In awards", f"{grants['awards']}, {grants['awarded_in_part']} of them in part"),
        ("Paid, less what came back", pounds(grants["paid_pence"])),
        ("Passed the exam so far", f"{grants['passed']}"),
        ("Trusts asked", f"{letters['asked']}"),
        ("Each for", f"{pounds(asks['min'])} to {pounds(asks['max'])}, {pounds(asks['total'])} in all"),
        ("Declined", f"{letters['declined']}"),
        ("Never acknowledged", f"{letters['never_acknowledged']}"),
        ("Chased", f"{letters['chased']} times, over all of them"),
        ("Events announced, handled", f"{events['announced']:,}, {events['handled']:,}"),
        ("Events parked, still pending", f"{events['parked']}, {events['outbox_pending']}"),
    ):
        table.add_row(words, figure)
    return table


def say_ready(
    settings: Settings, *, mailbox: bool, links: Sequence[tuple[str, str, str]] = (), nobody: bool = False
) -> None:
    """Where to look now, and how to get in."""
    console = Console(stderr=True)
    console.print(f"\nConduit is at {settings.origin}/  (ctrl-C stops it)", highlight=False)
    if mailbox:
        console.print(f"The letters it sent are at {settings.origin}/mail", highlight=False)
    if links:
        console.print("\nSign in as one of these; each link works once, on this computer:", highlight=False)
        wide = max(len(f"{role}: {name}") for role, name, _ in links)
        for role, name, link in links:
            # Printed whole: a link that is broken into two lines cannot be clicked.
            console.print(f"  {f'{role}: {name}':<{wide}}  {link}", highlight=False, soft_wrap=True)
        where = "in the mail box" if mailbox else "in your mail"
        console.print(f"Later: ask for a link at the sign-in page, and read it {where}.", highlight=False)
    if nobody:
        console.print(NOBODY_YET, highlight=False, soft_wrap=True)
