"""The topology as RabbitMQ's own definitions: what a broker loads before anybody connects.

One user for each service: it writes to its own exchange, reads its own two queues and makes nothing. The
same document is right for RabbitMQ 3.10 and 4. As it lies in the tree nobody can sign in by it; at deploy
each user is given the digest of a password.
"""

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from secrets import token_bytes
from typing import Any

from chassis.declare import bindings_of
from contracts.topology import (
    DEAD_LETTERS,
    EXCHANGES,
    INBOXES,
    SERVICES,
    Queue,
    dead_letters_of,
    inbox_of,
)

VIRTUAL_HOST = "conduit"

#: Declares and looks, as ``conduit declare`` and ``conduit check`` do; no service is given its password.
ADMINISTRATOR = "conduit_admin"

#: Bytes of the salt of a password.
_SALT = 4

#: Bytes of a queue. One that nobody reads refuses more, which then waits in the outboxes.
_MOST = 1_073_741_824


def user_of(service: str) -> str:
    """The broker's user that a service signs in as."""
    return f"conduit_{service}"


USERS = (*map(user_of, SERVICES), ADMINISTRATOR)


def definitions(digests: Mapping[str, str] | None = None) -> dict[str, Any]:
    """All that a broker must know.

    Args:
        digests: of the passwords, by user (:func:`digest`). Who has none cannot sign in.
    """
    known = digests or {}
    queues = [make(service) for service in SERVICES for make in (inbox_of, dead_letters_of)]
    return {
        "vhosts": [{"name": VIRTUAL_HOST}],
        "users": [_user(name, known.get(name, "")) for name in USERS],
        "permissions": [*map(_permission, SERVICES), _all_permissions()],
        "exchanges": [_exchange(name) for name in EXCHANGES.values()],
        "queues": [_queue(queue) for queue in queues],
        "bindings": [
            _binding(exchange, INBOXES[service], key)
            for service in SERVICES
            for exchange, key in bindings_of(service)
        ],
        "policies": [_policy()],
    }


def as_text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"


def digest(password: str, before: str = "") -> str:
    """What RabbitMQ keeps of a password: a salt of four bytes, and SHA-256 over it and the password.

    Args:
        before: what was kept so far, which stays when it is of this password.
    """
    try:
        salt = b64decode(before, validate=True)[:_SALT]
    except ValueError:
        salt = b""
    return before if salt and _salted(salt, password) == before else _salted(token_bytes(_SALT), password)


def _salted(salt: bytes, password: str) -> str:
    return b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _user(name: str, password_hash: str) -> dict[str, Any]:
    return {
        "name": name,
        "password_hash": password_hash,
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": [],
    }


def _permission(service: str) -> dict[str, str]:
    return {
        "user": user_of(service),
        "vhost": VIRTUAL_HOST,
        "configure": "^$",
        "write": _exactly(EXCHANGES[service]),
        "read": _exactly(INBOXES[service], DEAD_LETTERS[service]),
    }


def _exactly(*names: str) -> str:
    """The broker's pattern for these names, in which a dot is a dot, and for no others."""
    return "^(" + "|".join(names).replace(".", r"\.") + ")$"


def _all_permissions() -> dict[str, str]:
    return {
        "user": ADMINISTRATOR,
        "vhost": VIRTUAL_HOST,
        **dict.fromkeys(("configure", "write", "read"), ".*"),
    }


def _exchange(name: str) -> dict[str, Any]:
    kept = {"durable": True, "auto_delete": False, "internal": False, "arguments": {}}
    return {"name": name, "vhost": VIRTUAL_HOST, "type": "topic", **kept}


def _queue(queue: Queue) -> dict[str, Any]:
    kept = {"durable": True, "auto_delete": False, "arguments": queue.arguments}
    return {"name": queue.name, "vhost": VIRTUAL_HOST, **kept}


def _binding(exchange: str, queue: str, key: str) -> dict[str, Any]:
    to = {"destination": queue, "destination_type": "queue", "routing_key": key, "arguments": {}}
    return {"source": exchange, "vhost": VIRTUAL_HOST, **to}


def _policy() -> dict[str, Any]:
    """What may be changed later without making a queue anew."""
    return {
        "name": "conduit",
        "vhost": VIRTUAL_HOST,
        "pattern": _exactly(*INBOXES.values(), *DEAD_LETTERS.values()),
        "apply-to": "queues",
        "priority": 0,
        "definition": {
            "max-length-bytes": _MOST,
            "overflow": "reject-publish",
            "queue-leader-locator": "balanced",
        },
    }
