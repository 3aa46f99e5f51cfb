"""The versions of an agreement: what each said, what changed from one to the next, as a PDF and as signed."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.files import stored_file
from chassis.web import PDF, give_file, give_made, read_id, site_of
from services.partners import agreements
from services.partners.agreements import MOST_VERSIONS, PAGE
from services.partners.printing import print_agreement
from services.partners.queries import AGREEMENTS
from services.partners.terms import TEXTS, Terms, changes, digest_of, in_words
from services.partners.web.drafting import agreement_of

_WORDS = {
    "offered": "Waiting for signatures",
    "signed": "In force",
    "replaced": "Replaced by a later version",
    "withdrawn": "Taken back",
}
_LOOKS = {"offered": "question", "signed": "done", "replaced": "closed", "withdrawn": "withdrawn"}


async def history(request: Request) -> Response:
    """Every version, the newest first, each with what it changed of the one before."""
    site, id = site_of(request), read_id(request)
    async with site.database.reading() as tx:
        agreement = await agreement_of(tx, id)
        versions = [row async for row in AGREEMENTS.versions_of(tx, agreement_id=id, most=MOST_VERSIONS)]
        signatures = [row async for row in AGREEMENTS.signatures_of(tx, agreement_id=id)]
        said = [Terms.of(row["content"]["terms"]) for row in versions]
        owners = await agreements.owners_of(tx, agreement["organisation_id"], said)
    name_of = agreements.naming(owners, site.context.house.short_name, agreement["organisation"])
    changed = [changes(old, new, name_of) for new, old in pairwise(said)]
    return site.page(
        request,
        "agreement_history.html",
        agreement=agreement,
        href=f"{PAGE}/{id}",
        labels=TEXTS,
        versions=[
            {
                **row,
                "words": _WORDS[row["state"]],
                "look": _LOOKS[row["state"]],
                "digest": bytes(row["digest"]).hex(),
                "intact": digest_of(row["content"]) == bytes(row["digest"]),
                "signatures": [each for each in signatures if each["number"] == row["number"]],
                "terms": terms,
                "outcomes": [in_words(each, name_of).split("\n") for each in terms.outcomes],
                "changes": difference,
            }
            for row, terms, difference in zip(versions, said, [*changed, None], strict=False)
        ],
    )


async def as_pdf(request: Request) -> Response:
    """One version to be printed or kept."""
    async with site_of(request).database.reading() as tx:
        agreement = await agreement_of(tx, read_id(request))
        version = await _version(request, tx)
        printed = await prepared(tx, agreement["organisation_id"], version)
    return await pdf_of(*printed)


async def copy(request: Request) -> Response:
    """The copy on paper that both have signed."""
    database = site_of(request).database
    async with database.reading() as tx:
        version = await _version(request, tx)
        file = await stored_file(tx, version["copy_id"]) if version["copy_id"] else None
    if file is None:
        raise NotFound
    return give_file(database, file)


async def _version(request: Request, tx: Transaction) -> Any:
    text = request.path_params["number"]
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0
    version = await AGREEMENTS.version(tx, agreement_id=read_id(request), number=number)
    if version is None:
        raise NotFound
    return version


async def prepared(
    tx: Transaction, organisation_id: Any, version: Mapping[str, Any]
) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]], Any]:
    """What the printer needs of a version."""
    content, number = version["content"], version["number"]
    rows = AGREEMENTS.signatures_of(tx, agreement_id=version["agreement_id"])
    signatures = [row async for row in rows if row["number"] == number]
    owners = await agreements.owners_of(tx, organisation_id, [Terms.of(content["terms"])])
    return version, signatures, agreements.naming(owners, content["house"], content["organisation"]["name"])


async def pdf_of(
    version: Mapping[str, Any], signatures: Sequence[Mapping[str, Any]], name_of: Any
) -> Response:
    """A version as a PDF, made outside the loop."""
    pdf = await asyncio.to_thread(print_agreement, version, signatures, name_of)
    return give_made(f"agreement-version-{version['number']}", PDF, pdf)
