"""Reading what a request brings: ids, forms, JSON, amounts. Whatever cannot be kept is refused here, so that
PostgreSQL never has to.
"""

import hashlib
import json
import math
import re
from typing import Any
from uuid import UUID

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from chassis.errors import NotFound, Refused
from chassis.files import PART
from chassis.web.errors import BadRequest, WrongMediaType
from chassis.web.words import pounds

#: Under this name the digest of a form's content travels with a request.
CONTENT = "conduit.content"

#: Under this name the forms that were read travel with a request; their files are closed at its end.
FORMS = "conduit.forms"

#: As deep as a document of ours ever is, with room to spare.
_DEEPEST = 32

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

#: Commas stand between thousands or nowhere: ``12,50`` is not 1,250.
_AMOUNT = re.compile(r"([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.([0-9]{2}))?")


def read_id(request: Request, name: str = "id") -> UUID:
    """The id in the path. One that is no id is answered like one that does not exist.

    Raises:
        NotFound: always the same words.
    """
    text = request.path_params[name]
    try:
        found = UUID(text)
    except ValueError:
        raise NotFound from None
    if str(found) != text.lower():  # UUID() also takes braces, prefixes and digits of other scripts
        raise NotFound
    return found


def read_asked_id(text: str) -> UUID | None:
    """An id in the query of the address of a list; nothing where nothing stands there.

    Raises:
        BadRequest: when it is none.
    """
    try:
        return UUID(text) if text else None
    except ValueError:
        raise BadRequest("There is no such page of this list.", "Begin the list again.") from None


async def read_form(request: Request) -> FormData:
    """The fields of a posted form. It may be asked for again.

    Raises:
        WrongMediaType: when the body is anything else.
        BadRequest: when it is broken or holds what cannot be kept.
    """
    if CONTENT in request.scope:
        return await request.form()
    if _media_type(request) not in _FORMS:
        raise WrongMediaType("This address takes a form.", "Send application/x-www-form-urlencoded.")
    try:
        form = await request.form(max_files=1, max_fields=200)  # a large file goes to the disk meanwhile
    except (HTTPException, ValueError):
        raise BadRequest(
            "The form could not be read.", "Go back, reload the page and send it again."
        ) from None
    request.scope.setdefault(FORMS, []).append(form)
    for name, value in form.multi_items():
        if not _can_be_kept(name) or (isinstance(value, str) and not _can_be_kept(value)):
            raise BadRequest(
                "The form contains a character that cannot be kept.", "Remove it and send again."
            )
    request.scope[CONTENT] = await _digest(form)
    return form


async def _digest(form: FormData) -> bytes:
    """What `once` compares: names and values, without the boundary that a browser draws anew each time."""
    digest = hashlib.sha256()
    for name, value in form.multi_items():
        words = value if isinstance(value, str) else f"{value.filename}"
        digest.update(f"{len(name)} {name} {len(words)} {words}".encode())
        if isinstance(value, UploadFile):
            while part := await value.read(PART):
                digest.update(part)
            await value.seek(0)
    return digest.digest()


async def read_json(request: Request) -> dict[str, Any]:
    """The JSON object in the body.

    Raises:
        WrongMediaType, BadRequest: says what was expected; quotes nothing.
    """
    if _media_type(request) != "application/json":
        raise WrongMediaType("This address takes JSON.", "Send application/json.")
    body = await request.body()
    try:
        document = json.loads(body, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        raise BadRequest("The body is not JSON.", "Send one JSON object, in UTF-8.") from None
    if not isinstance(document, dict):
        raise BadRequest("The body is not a JSON object.", "Send one JSON object, in UTF-8.")
    if not _all_can_be_kept(document):
        cure = f"Send text without control characters, and at most {_DEEPEST} levels."
        raise BadRequest("The body contains what cannot be kept.", cure)
    return document


def read_pounds(text: str, *, field: str, most_pence: int = 100_000_000) -> int:
    """An amount that a person typed, in pounds, as pence: ``3,400``, ``£3400``, ``12.50``.

    Raises:
        Refused: names the field and says what to type.
    """
    typed = text.strip().removeprefix("£").strip()
    if not typed:
        cure = "Write the amount in pounds, for example 3,400 or 12.50."
        raise Refused("There is no amount yet.", cure, field=field)
    found = _AMOUNT.fullmatch(typed)
    if not found:
        raise Refused(
            "This is not an amount.", "Write it in pounds, for example 3,400 or 12.50.", field=field
        )
    whole, rest = found[1].replace(",", ""), found[2] or "0"
    # Longer numbers are too large for certain and slow to turn into integers.
    pence = int(whole) * 100 + int(rest) if len(whole) <= 12 else most_pence + 1
    if not pence:
        raise Refused("The amount must be at least 1p.", "Write how much it is, in pounds.", field=field)
    if pence > most_pence:
        cure = f"Write at most {pounds(most_pence)}."
        raise Refused("This amount cannot be used.", cure, field=field)
    return pence


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _refuse(constant: str) -> None:
    raise ValueError


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _can_be_kept(text: str) -> bool:
    """Whether PostgreSQL can store it: no NUL, no half of a surrogate pair."""
    try:
        return b"\x00" not in text.encode()
    except UnicodeEncodeError:
        return False


def _all_can_be_kept(document: Any) -> bool:
    level = [document]
    for _ in range(_DEEPEST):
        if not all(_can_be_kept(part) for part in level if isinstance(part, str)):
            return False
        inside = [part for part in level if isinstance(part, dict | list)]
        level = [each for part in inside for each in (_flat(part) if isinstance(part, dict) else part)]
        if not level:
            return True
    return False


def _flat(mapping: dict[str, Any]) -> list[Any]:
    return [*mapping.keys(), *mapping.values()]
