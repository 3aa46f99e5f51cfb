"""What containers need of an installation, each thing in a file of its own: ``conduit deploy init``.

Made in ``secrets/`` below the home folder; ``docker-compose.yml`` gives each container the few that it
needs. A service gets its own keys and everybody's public ones: it can neither open what is sealed to
another nor sign in as it. Keys, passwords and what somebody has written into a file stay; what follows from
them is written anew each time. So it may be run again at any time, after ``conduit keys rotate`` and after
an update.

Only its owner can enter the folder. The files in it can be read by all, because the containers that they
are given to run as users of their own, and nobody but the engine hands them in.
"""

import json
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from urllib.parse import quote

from chassis.config import SettingsError
from chassis.definitions import ADMINISTRATOR, USERS, VIRTUAL_HOST, as_text, definitions, digest, user_of
from chassis.errors import ChassisError
from chassis.keys import create_file
from chassis.migrations import owner_role, runtime_role
from contracts.access import SIGNED_BY
from contracts.topology import SERVICES
from services.installation import Installation

#: The map of the containers, and what lies beside it.
COMPOSE = Path("docker-compose.yml")
#: Where the map expects the home folder.
HOME = Path("deploy/home")
_DOMAIN = re.compile(r"[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)+")
#: The user of the image, who is nobody on this computer.
_NOBODY = 10001
#: What containers write there: what was sent, the socket for the mail server, backups, those of the keys, and
#: what a person works with.
_WRITTEN = ("ledger", "lmtp", "backups", "backup-keys", "desk")
#: Who is warned by mail, as an example.
_WARNING = Path("deploy/prometheus/alertmanager.yml.example")

#: Servers by the names that they have in the map.
_POSTGRES, _RABBITMQ, _MAILBOX = "postgres:5432", "rabbitmq:5672", "mailbox:1025"

#: What the broker loads.
_DEFINITIONS = "rabbitmq-definitions.json"

#: Made once: passwords of those that are no service of ours.
_PASSWORDS = ("postgres-password", "grafana-password", *(f"broker-password-{user}" for user in USERS))

#: For a person to write into; what is empty is not used.
_TO_FILL = {"smtp-url": f"smtp://{_MAILBOX}", "imap-url": "", "alertmanager-mail-password": ""}


class NoMap(ChassisError):
    """There is no docker-compose.yml here. Type this in the folder that holds it."""


@dataclass(frozen=True)
class Made:
    """Where things are."""

    secrets: Path
    variables: Path


def deploy(installation: Installation, domain: str) -> Made:
    """Make what is missing: keys, passwords, addresses, the broker's definitions, and ``.env`` for the map.

    Args:
        domain: the name by which browsers reach the pages.

    Raises:
        NoMap: when this is typed elsewhere.
        SettingsError: when the home folder is not where the map expects it.
    """
    if not COMPOSE.exists():
        raise NoMap
    if not _DOMAIN.fullmatch(domain):
        raise SettingsError(
            "The name is one such as conduit.body.example, without https:// and without a path."
        )
    home = installation.settings.home
    if home.resolve() != HOME.resolve():
        raise SettingsError(f"Containers have their home in {HOME}. Type: conduit init --home {HOME}")
    if not installation.settings.house_path.exists():
        raise SettingsError(f"There is no house file in {HOME} yet. Type: conduit init --home {HOME}")
    folder = make_secrets(installation)
    for written in _WRITTEN:
        (home / written).mkdir(mode=0o700, exist_ok=True)
    warned = home / "alertmanager.yml"
    if _WARNING.exists() and not warned.exists():
        copyfile(_WARNING, warned)
    for path in (installation.settings.house_path, warned):
        if path.exists():  # no secrets, and read by the users of containers
            path.chmod(0o644)
    variables = COMPOSE.with_name(".env")
    kept = variables.read_text(encoding="utf-8").splitlines() if variables.exists() else []
    said = {"CONDUIT_DOMAIN": domain, "CONDUIT_USER": _user(home)}
    lines = [line for line in kept if line.partition("=")[0] not in said]
    lines = [*(f"{name}={value}" for name, value in said.items()), *lines]
    variables.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Made(folder, variables)


def _user(home: Path) -> str:
    """Whom the containers run as that read and write below the home folder: its owner, but never root."""
    owner = home.stat()
    if owner.st_uid:
        return f"{owner.st_uid}:{owner.st_gid}"
    for path in (home / "keys", *(home / "keys").iterdir(), *(home / written for written in _WRITTEN)):
        os.chown(path, _NOBODY, _NOBODY)
    return f"{_NOBODY}:{_NOBODY}"


def make_secrets(installation: Installation) -> Path:
    """Make the secrets of an installation that has a house file. Their folder."""
    installation.house()
    installation.make_keys()
    folder = installation.settings.home / "secrets"
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    for name in _PASSWORDS:
        create_file(folder / name, lambda: secrets.token_urlsafe(24).encode())
    for name, text in _TO_FILL.items():
        create_file(folder / name, text.encode)
    keys = installation.settings.keys_folder
    for service in SERVICES:
        _mirror(keys, folder / f"keys-{service}", _keys_of(service))
    _mirror(keys, folder / "databases", ("*.database", "*.owner"))
    for name, text in _follows(folder, keys, installation.settings.database_prefix).items():
        (folder / name).write_text(text, encoding="utf-8")
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def _keys_of(service: str) -> tuple[str, ...]:
    own = (f"{service}.private", f"{service}.secret", "*.public", "session-*.verifying")
    return (*own, "session-*.signing") if service == SIGNED_BY else own


def _mirror(source: Path, target: Path, patterns: Iterable[str]) -> None:
    """Copy what fits one of the patterns, and remove whatever else is there."""
    target.mkdir(exist_ok=True)
    wanted = {path.name: path for pattern in patterns for path in source.glob(pattern)}
    for stale in [path for path in target.iterdir() if path.name not in wanted]:
        stale.unlink()
    for name, path in wanted.items():
        copyfile(path, target / name)


def _follows(folder: Path, keys: Path, prefix: str) -> Mapping[str, str]:
    """What is made of keys and passwords: addresses with them, and the broker's definitions; by file."""
    broker = {user: _text(folder / f"broker-password-{user}") for user in USERS}
    made = {
        "postgres-url": _address(
            "postgresql", "postgres", _text(folder / "postgres-password"), f"{_POSTGRES}/postgres"
        ),
        "broker-url": _broker_address(ADMINISTRATOR, broker),
        _DEFINITIONS: as_text(definitions(_digests(folder / _DEFINITIONS, broker))),
    }
    # Each service knows one password, and puts its own name into the address.
    database = runtime_role(prefix, "{service}")
    for service in SERVICES:
        for kind, role in (("database", database), ("owner", owner_role(prefix, "{service}"))):
            password = _text(keys / f"{service}.{kind}")
            made[f"{service}-{kind}-url"] = _address("postgresql", role, password, f"{_POSTGRES}/{database}")
        made[f"{service}-broker-url"] = _broker_address(user_of(service), broker)
    return made


def _digests(path: Path, passwords: Mapping[str, str]) -> Mapping[str, str]:
    """What the broker keeps of the passwords; of those that have not changed, what it was given before."""
    try:
        told = json.loads(path.read_bytes())["users"]
        before = {user["name"]: user["password_hash"] for user in told}
    except (OSError, ValueError, KeyError, TypeError):  # the first time, or it was spoilt
        before = {}
    return {user: digest(passwords[user], str(before.get(user, ""))) for user in USERS}


def _broker_address(user: str, passwords: Mapping[str, str]) -> str:
    return _address("amqp", user, passwords[user], f"{_RABBITMQ}/{VIRTUAL_HOST}")


def _address(scheme: str, user: str, password: str, where: str) -> str:
    return f"{scheme}://{user}:{quote(password, safe='')}@{where}"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()
