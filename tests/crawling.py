"""Opening everything that a page leads to, and telling whether that has changed anything."""

import html
import re

import httpx

from chassis.database import Database


async def opened(browser: httpx.AsyncClient, mount: str, *starts: str, most: int = 300) -> dict[str, int]:
    """The status of every address under ``mount`` that links lead to from these, and of these."""
    waiting, found = list(starts), dict[str, int]()
    while waiting and len(found) < most:
        address = waiting.pop(0)
        if address in found:
            continue
        answer = await browser.get(address, follow_redirects=True)
        found[address] = answer.status_code
        links = re.findall(r'(?:href|action|data-live)="([^"]+)"', answer.text)
        here = answer.request.url
        joined = [here.join(html.unescape(link)) for link in links]
        waiting += [
            url.raw_path.decode()
            for url in joined
            if url.host == here.host and url.path.startswith(mount) and not url.path.endswith("/live")
        ]
    return found


#: A statement that brings a digest of every table.
_DIGESTS = """
SELECT string_agg(format(
    $$SELECT %L AS name, (
        SELECT md5(coalesce(string_agg(said, '|' ORDER BY said), ''))
        FROM (SELECT (to_jsonb(each) - $1::text)::text AS said FROM %I AS each) AS rows
    ) AS digest$$,
    tablename, tablename
), ' UNION ALL ') FROM pg_tables WHERE schemaname = 'public'
"""


async def contents(database: Database, but: str = "") -> dict[str, str]:
    """A digest of every table of a service, leaving out one column."""
    async with database.reading() as tx:
        return {row["name"]: row["digest"] for row in await tx.fetch(await tx.fetchval(_DIGESTS), but)}
