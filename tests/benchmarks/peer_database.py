"""The address of a PostgreSQL as Django's settings say it."""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


def peer_database(url: str) -> dict[str, Any]:
    """One connection that stays open."""
    parts = urlsplit(url)
    asked = dict(parse_qsl(parts.query))  # a socket stands there
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.strip("/"),
        "USER": parts.username,
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or asked["host"],
        "PORT": parts.port or asked.get("port", ""),
        "CONN_MAX_AGE": None,
    }
