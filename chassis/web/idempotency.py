"""A form sent twice acts once: the answer is kept with what it did, in one transaction."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chassis.audit import acting
from chassis.database import Transaction
from chassis.errors import Conflict
from chassis.outbox import QUERIES
from chassis.web.access import actor_of, check_key, check_still_good, is_api
from chassis.web.errors import BadRequest
from chassis.web.pages import site_of
from chassis.web.reading import CONTENT, read_form

#: Stands in a kept answer for the address that was asked, which may be a secret.
_HERE = "."


class _Undone(Exception):
    """Carries an answer that says no out of the transaction, which is then undone."""

    def __init__(self, response: Response) -> None:
        self.response = response


def see(location: str) -> Response:
    """Answer a POST by sending the browser to a page."""
    return RedirectResponse(location, status_code=303)


async def once(
    request: Request, act: Callable[[Transaction], Awaitable[Response]], key: str | None = None
) -> Response:
    """Act on a POST once. The same key gives the same answer, also in parallel and after a restart.

    An act that raises, or that answers with 400 or above, leaves nothing behind: the same key may be tried
    again.

    Args:
        request: its body was read by ``read_form`` or ``read_json``, or not at all.
        act: does the work in the transaction that also keeps its answer.
        key: where it is not what the form's hidden field says, or a program's ``Idempotency-Key`` header.

    Raises:
        BadRequest: without a usable key.
        Conflict: when the key came with another body before, or the form was made for another session.
        SignInNeeded: when whoever asks may no longer act.
    """
    if key is None:
        key = await _key_of(request)
    by_program = is_api(request) or request.headers.get("idempotency-key") == key
    if not 8 <= len(key) <= 100 or not key.isascii():
        raise _unusable(by_program)
    if not by_program:
        check_key(request, key)
    # A path may carry a token: it is not kept as it is.
    scoped = hashlib.sha256(f"{request.scope['path']} {key}".encode()).hexdigest()
    digest = await _digest(request)
    try:
        async with acting(site_of(request).database, actor_of(request)) as tx:
            await QUERIES.lock_key(tx, key=scoped)
            given = await QUERIES.given_answer(tx, key=scoped)
            if given is not None:
                if bytes(given["digest"]) != digest:
                    raise _taken(by_program)
                tx.actor = None  # nothing is done this time
                return _given_again(request, given)
            await check_still_good(request, tx)
            response = await act(tx)
            if response.status_code >= 400:
                raise _Undone(response)
            await _keep(tx, request, scoped, digest, response)
            return response
    except _Undone as undone:
        return undone.response


async def _key_of(request: Request) -> str:
    if is_api(request):
        return request.headers.get("idempotency-key", "")
    return str((await read_form(request)).get("key", ""))


def _unusable(by_program: bool) -> BadRequest:
    if by_program:
        what = "The Idempotency-Key header is missing or not 8 to 100 ASCII characters."
        return BadRequest(what, "Send one, a new one for each request.")
    return BadRequest("The form has lost its key.", "Go back, reload the page and send it again.")


def _taken(by_program: bool) -> Conflict:
    if by_program:
        return Conflict("This Idempotency-Key came with another body before.", "Send a new one.")
    cure = "Open the page again to see what was recorded."
    return Conflict("This form was sent before with other content.", cure)


async def _digest(request: Request) -> bytes:
    """What tells one content from another, whether it came as a form or as JSON."""
    of_form: bytes | None = request.scope.get(CONTENT)
    return of_form or hashlib.sha256(await request.body()).digest()


async def _keep(tx: Transaction, request: Request, key: str, digest: bytes, response: Response) -> None:
    location, path = response.headers.get("location"), request.scope["path"]
    if location and location.startswith(path):
        location = f"{_HERE}{location.removeprefix(path)}"
    await QUERIES.keep_answer(
        tx,
        key=key,
        digest=digest,
        status=response.status_code,
        location=location,
        body=bytes(response.body),
        media_type=response.media_type,
        now=tx.now,
    )


def _given_again(request: Request, given: Any) -> Response:
    repeated = Response(bytes(given["body"]), given["status"], media_type=given["media_type"])
    location: str = given["location"] or ""
    if location:
        below = location.startswith(_HERE)
        repeated.headers["location"] = (
            request.scope["path"] + location.removeprefix(_HERE) if below else location
        )
    return repeated
