"""``conduit retention``: what is kept how long, and letting go of what has had its time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from chassis.config import PREFIX, Settings, SettingsError
from chassis.retention import Term, rehearse, scrub_old
from contracts.topology import SERVICES
from services.installation import Installation
from services.messages import opened


@dataclass(frozen=True, kw_only=True)
class LetGo:
    """What became of one kind of thing, or in a dry run what would."""

    service: str
    what: str
    months: int
    since: str
    count: int


def terms_of(service: str) -> Sequence[Term]:
    """What a service keeps, and how long."""
    terms: Sequence[Term] = import_module(f"services.{service}.held").TERMS
    return terms


def check_terms(settings: Settings) -> None:
    """Refuse a time for something that nobody keeps: a slip of the pen must not keep anything for ever.

    Raises:
        SettingsError: names what there is.
    """
    known = [term.what for service in SERVICES for term in terms_of(service)]
    unknown = [name for name in settings.terms if name not in known]
    if unknown:
        raise SettingsError(
            f"{PREFIX}RETAIN: nothing is called {unknown[0]}. Choose from: {', '.join(known)}."
        )


def let_go(installation: Installation, *, dry_run: bool) -> list[LetGo]:
    """Scrub what has had its time in every service, or find out what that is.

    Raises:
        SettingsError: when a setting speaks of something that nobody keeps.
    """
    check_terms(installation.settings)
    act = rehearse if dry_run else scrub_old

    async def run(service: str) -> dict[str, int]:
        async with opened(installation, service) as database:
            return await act(database, terms_of(service))

    with installation.database():
        counts = {service: asyncio.run(run(service)) for service in SERVICES}
    return [
        LetGo(
            service=service,
            what=term.what,
            months=term.kept_for(installation.settings),
            since=term.since,
            count=counts[service][term.what],
        )
        for service in SERVICES
        for term in terms_of(service)
    ]
