"""An installation: its house file, its keys, its databases. What must stand before a service can start."""

import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

from chassis.access import create_session_key
from chassis.config import Settings
from chassis.embedded import EmbeddedError, EmbeddedPostgres, claim, make_home
from chassis.errors import ChassisError
from chassis.house import House, read_house
from chassis.keys import create_file, create_keys
from chassis.log import describe, logger
from chassis.migrations import migrate, prepare_server, service_url
from contracts.topology import SERVICES

_log = logger(__name__)

EXAMPLES = Path(__file__).parent.parent / "examples"

#: The lists that the services' pages and imports need in a house file.
LISTS = (
    *("areas", "professions", "kinds", "contact_roles", "closeness", "needs", "languages"),
    *("exam_stages", "lawful_bases", "channels", "purposes", "restrictions"),
)


class NotInitialised(ChassisError):
    """There is no house file yet. Start your own: conduit init, or see the example: conduit up --example"""


class NothingBegun(ChassisError):
    """Nobody has begun an installation in this folder."""


class NotAnExample(ChassisError):
    """The example is not loaded into somebody's own installation."""


@dataclass(frozen=True)
class Installation:
    """Everything under one home folder, on embedded or on given servers."""

    settings: Settings

    def house(self) -> House:
        """The body that this installation serves.

        Raises:
            NotInitialised: when nobody has begun one.
            HouseError: names the key at fault.
        """
        if not self.settings.house_path.exists():
            raise NotInitialised
        return read_house(self.settings.house_path, required=LISTS)

    def take_example_house(self) -> None:
        """Begin with the Forum's house file, or go on with an example that was begun here before.

        Raises:
            NotAnExample: when somebody's own work is here, which invented bodies must never enter.
        """
        make_home(self.settings.home)
        begun = self.settings.home / "example"
        if self.settings.house_path.exists() and not begun.exists():
            raise NotAnExample(
                f"{self.settings.house_path} is your own. Start without --example, or look at the example in "
                "another folder: conduit up --example --home example"
            )
        begun.touch()
        if not self.settings.house_path.exists():
            shutil.copyfile(EXAMPLES / "house.toml", self.settings.house_path)

    def urls(self) -> dict[str, str]:
        """The address of each service's database, with its own role."""
        given = self.settings.database_url
        if "{service}" in given:
            return {service: given.replace("{service}", service) for service in SERVICES}
        admin = self.admin_url()
        prefix = self.settings.database_prefix
        return {name: service_url(admin, f"{prefix}_{name}", self._password(name)) for name in SERVICES}

    def admin_url(self) -> str:
        """The address of a user who may make roles and databases; the embedded server's if none is given."""
        return self.settings.database_url or EmbeddedPostgres(self.settings.home).url()

    @contextmanager
    def in_use(self) -> Iterator[Callable[[], None]]:
        """Hold the home folder alone, with the embedded database running if there is no other.

        Gives what brings that database back should it have died; to be called now and then.
        """
        if not self.settings.embedded_database:
            make_home(self.settings.home)
            yield lambda: None
            return
        with claim(self.settings.home):
            server = EmbeddedPostgres(self.settings.home)
            server.start()
            try:
                yield partial(_bring_back, server)
            finally:
                server.stop("fast")

    @contextmanager
    def database(self) -> Iterator[None]:
        """Reach the databases for a moment: beside services that run already, or without any.

        Without any, the embedded ones are made and brought to this code first, as a start would do.

        Raises:
            NothingBegun: when there is no installation here: a slip in the folder's name makes no second one.
        """
        self.check_begun()
        if not self.settings.embedded_database or EmbeddedPostgres(self.settings.home).running:
            yield
            return
        with self.in_use():
            self.make_keys()
            for _ in self.migrate():
                pass
            yield

    def check_begun(self) -> None:
        """Refuse to act where nobody has begun anything.

        Raises:
            NothingBegun: names the folder, and what to type.
        """
        if self.settings.embedded_database and not self.settings.house_path.exists():
            raise NothingBegun(
                f"There is no installation in {self.settings.home.absolute()}. Name the folder of yours with "
                "--home or CONDUIT_HOME, or begin one there: conduit init"
            )

    def note_origin(self) -> None:
        """Note where the pages are served, for commands that say an address later."""
        (self.settings.home / "origin").write_text(self.settings.origin, encoding="utf-8")

    @property
    def origin(self) -> str:
        """Where the pages are: as the settings say, or else as they were served last."""
        noted = self.settings.home / "origin"
        if self.settings.public_url or not noted.exists():
            return self.settings.origin
        return noted.read_text(encoding="utf-8")

    def make_keys(self) -> None:
        """Make the keys that are missing; existing ones stay."""
        create_keys(self.settings.keys_folder, SERVICES)
        if not any(self.settings.keys_folder.glob("session-*.signing")):
            create_session_key(self.settings.keys_folder)
        for service in SERVICES:
            create_file(self._password_file(service), lambda: secrets.token_urlsafe(24).encode())

    def migrate(self) -> Iterator[str]:
        """Make what is missing on the server and bring each database to the newest revision, one a step."""
        if "{service}" not in self.settings.database_url:
            passwords = {service: self._password(service) for service in SERVICES}
            prepare_server(self.admin_url(), self.settings.database_prefix, passwords)
        for service, url in self.urls().items():
            migrate(url, migrations_of(service))
            yield service

    def _password(self, service: str) -> str:
        return self._password_file(service).read_text().strip()

    def _password_file(self, service: str) -> Path:
        return self.settings.keys_folder / f"{service}.database"


def _bring_back(server: EmbeddedPostgres) -> None:
    if server.pid is not None:
        return
    _log.error("database_died")
    try:
        server.start()
    except EmbeddedError as error:  # what is left of the dead one may take a moment to go
        _log.warning("database_not_started", **describe(error))


def migrations_of(service: str) -> Path:
    """The folder of a service's migrations."""
    return Path(import_module(f"services.{service}").__file__ or "").parent / "migrations"
