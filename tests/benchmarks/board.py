"""The board of a campaign, whom to chase, what worked and the list of campaigns, by letters in the campaign.

Three letters to each body, all sent six weeks ago; one body in four has said something, one letter in a
hundred came back.
"""

import asyncio
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any
from uuid import UUID

from chassis.config import Settings
from chassis.house import read_house
from contracts.topology import NOTIFICATIONS
from services.installation import EXAMPLES, Installation
from services.notifications.hrefs import MOUNT, campaign_href, chasing_href, worked_href
from services.notifications.looking_back import keep_outcomes
from services.notifications.web import build
from tests.access import EVERYTHING
from tests.benchmarks.load import USERS, load
from tests.benchmarks.pages import Paths, Side, conduit_up, context_of, statements_of_ours
from tests.benchmarks.servers import DurablePostgres, execute
from tests.watching import Watched

SIZES = (1_000, 100_000)
#: Seconds of each page, after a round that warms it up.
SECONDS = 6.0
#: Seconds that one statement may take which fills a table.
PATIENCE = 300.0

_CAMPAIGN = UUID(int=7)

#: What the users ask for.
PATHS: Paths = {
    "board": [campaign_href(_CAMPAIGN), f"{campaign_href(_CAMPAIGN)}?status=late"] * USERS,
    "chasing": [chasing_href(_CAMPAIGN)] * USERS,
    "worked": [worked_href(_CAMPAIGN)] * USERS,
    "campaigns": [f"{MOUNT}/"] * USERS,
}

_STATEMENTS = (
    "INSERT INTO campaigns (id, name, purpose, fund, subject, body, signatory, kind, roles, state,"
    " created_at, released_at, sent_at, version)"
    " SELECT $1, 'An open day', 'That schools know us.', '', 'Our open day', 'Please come.', 'director',"
    " 'school', '{head,office,governor}', 'sent', $2::timestamptz, $2, $2, 1",
    "INSERT INTO organisations (id, name, kinds, areas, handed_over, epoch, version)"
    " SELECT md5('body' || n)::uuid, 'School ' || substr(md5(n::text), 1, 8), '{school}',"
    " ARRAY[($1::text[])[1 + n % cardinality($1::text[])]], '{}', 1, 1"
    " FROM generate_series(1, $2::integer) AS n",
    "INSERT INTO contacts (id, organisation_id, role, channel, name, email, source, listed_on,"
    " epoch, version)"
    " SELECT md5(o.id::text || role)::uuid, o.id, role, 'email', 'Jo Smith',"
    " role || '@' || o.id || '.example', 'its web page', '2026-01-05', 1, 1"
    " FROM organisations o CROSS JOIN unnest('{head,office,governor}'::text[]) AS role",
    "INSERT INTO letters (id, campaign_id, organisation_id, contact_id, number, reference, role, body_name,"
    " areas, state, delivery, answer, frozen, token_digest, message_id, dated, sent_at,"
    " waits_since, lateness, changed_at)"
    " SELECT c.id, $1, o.id, c.id, n, 'L-' || n, c.role, o.name, o.areas, 'sent',"
    " CASE WHEN n % 100 = 0 THEN 'bounced' ELSE '' END,"
    " CASE WHEN n % 12 = 0 THEN (ARRAY['acknowledged', 'declined', 'asked', 'will_meet'])[1 + n / 12 % 4]"
    " ELSE 'silent' END, '{}', decode(md5(n::text), 'hex'), '<' || n || '@forum.example>',"
    " $2::timestamptz::date, $2, $2, 'late', $2"
    " FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM contacts) c"
    " JOIN organisations o ON o.id = c.organisation_id",
    "INSERT INTO answers (id, letter_id, kind, detail, at, settled_at)"
    " SELECT gen_random_uuid(), id, CASE answer WHEN 'acknowledged' THEN 'acknowledge'"
    " WHEN 'declined' THEN 'decline' WHEN 'asked' THEN 'ask' ELSE 'meet' END, '',"
    " sent_at + number % 40 * interval '1 day',"
    " CASE WHEN answer NOT IN ('acknowledged', 'pledged') AND number % 1000 <> 0 THEN now() END"
    " FROM letters WHERE answer <> 'silent'",
)


def measure() -> dict[str, Any]:
    """Milliseconds for 99 of 100 pages and pages a second; statements of a page, by letters."""
    statements: dict[str, dict[str, int]] = {}
    figures: dict[str, Any] = {}
    for size in SIZES:
        with ExitStack() as stack:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conduit-bench-"))) / "home"
            postgres = stack.enter_context(DurablePostgres())
            settings = Settings(home=home, house_file=EXAMPLES / "house.toml", database_url=postgres.url)
            installation = Installation(settings)
            installation.make_keys()
            assert len(list(installation.migrate())) == 3
            url = installation.urls()[NOTIFICATIONS]
            database = Watched(url, context_of(replace(settings, database_timeout=PATIENCE), NOTIFICATIONS))
            asyncio.run(fill(database, size))
            # The server does it by itself within a minute; the role of the service may not.
            execute(installation.owner_urls()[NOTIFICATIONS], "VACUUM ANALYZE")
            people = dict.fromkeys(PATHS, EVERYTHING)
            ours = statements_of_ours(database, build(database), MOUNT, PATHS, people)
            for page, count in asyncio.run(ours).items():
                statements.setdefault(f"{page}_statements", {})[str(size)] = count
            if size == max(SIZES):
                side = stack.enter_context(conduit_up(home, postgres, people))
                for page in PATHS:
                    figures |= _figures(side, page, 1)
                figures |= _figures(side, "board", USERS)
    return figures | statements


async def fill(database: Watched, size: int) -> None:
    """A campaign of so many letters."""
    areas = list(read_house(EXAMPLES / "house.toml").lists["areas"])
    await database.open()
    try:
        async with database.transaction() as tx:
            sent = tx.now - timedelta(weeks=6)
            values: list[tuple[Any, ...]] = [(_CAMPAIGN, sent), (areas, size // 3), (), (_CAMPAIGN, sent), ()]
            for statement, each in zip(_STATEMENTS, values, strict=True):
                await tx.execute(statement, *each)
        while await keep_outcomes(database):  # the service does it by itself
            pass
    finally:
        await database.close()


def _figures(side: Side, page: str, users: int) -> dict[str, float]:
    """Of one page, for so many users at once."""
    for _ in range(2):  # the first warms it up
        waits = asyncio.run(load(side.port, PATHS[page], side.headers(page, 0), SECONDS, users))
    p99 = quantiles(waits, n=100)[-1] * 1000
    return {f"{page}_{users}_p99_ms": round(p99, 1), f"{page}_{users}_per_s": round(len(waits) / SECONDS, 1)}
