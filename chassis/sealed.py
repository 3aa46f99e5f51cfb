"""Parts of an event that one service alone can read.

A libsodium sealed box: anyone may seal to a service's public key, only the service can open it, and
nobody can tell who sealed it. Events stay readable for ops; a name or an address does not.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from functools import cache
from typing import Any

from marshmallow import EXCLUDE, RAISE, ValidationError
from nacl.exceptions import CryptoError
from nacl.public import SealedBox

from chassis.keys import Keyring, KeysError
from contracts.envelope import Fact, Sealed


class Unopenable(Exception):
    """A sealed part cannot be opened with this service's key."""


def seal(keys: Keyring, fact: type[Fact], name: str, part: Mapping[str, Any]) -> str:
    """Seal one part of a fact for the service that its contract names.

    Raises:
        KeysError: when the reader's public key is not here.
        marshmallow.ValidationError: when the part does not fit its schema.
    """
    box = _field(fact, name)
    document = box.inside.dump(part)
    box.inside.load(document, unknown=RAISE)
    if box.to not in keys.public:
        raise KeysError(
            f"The public key of {box.to} is missing. Copy {box.to}.public into the folder of keys."
        )
    return b64encode(SealedBox(keys.public[box.to]).encrypt(json.dumps(document).encode())).decode()


def unseal(keys: Keyring, fact: type[Fact], name: str, sealed: str) -> dict[str, Any]:
    """Open one part of a fact.

    Raises:
        Unopenable: when it was sealed for another key, damaged, or holds something else. Says nothing of the
            content.
    """
    box = _field(fact, name)
    try:
        document = json.loads(SealedBox(keys.private).decrypt(b64decode(sealed, validate=True)))
        part: dict[str, Any] = box.inside.load(document, unknown=EXCLUDE)
    except (CryptoError, ValueError, ValidationError):
        raise Unopenable(f"{fact.type()}: {name} cannot be opened with the key of {keys.service}") from None
    return part


@cache
def _field(fact: type[Fact], name: str) -> Sealed:
    field = fact().fields[name]
    if not isinstance(field, Sealed):
        raise TypeError(f"{fact.type()}: {name} is not a sealed part")
    return field
