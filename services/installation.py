"""An installation: its house file, its keys, its databases. What must stand before a service can start."""

import secrets
import shlex
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

from chassis.access import create_session_key
from chassis.config import Settings
from chassis.embedded import EmbeddedError, EmbeddedPostgres, claim, left_behind, make_home
from chassis.errors import ChassisError
from chassis.house import House, read_house
from chassis.keys import create_file, create_keys
from chassis.log import describe, logger
from chassis.migrations import (
    Passwords,
    migrate,
    owner_role,
    prepare_server,
    refuse_unfinished,
    runtime_role,
    service_url,
)
from chassis.refusals import unusable
from contracts.topology import SERVICES
from services.lists import Lists

_log = logger(__name__)

EXAMPLES = Path(__file__).parent.parent / "examples"

#: How the files of passwords end: of the role that a service runs as, and of the one that migrates.
_RUNTIME, _OWNER = "database", "owner"


class NotInitialised(ChassisError):
    """There is no house file yet. Start your own: conduit init, or see the example: conduit up --example"""


class NothingBegun(ChassisError):
    """Nobody has begun an installation in this folder."""


class NotUsable(ChassisError):
    """The folder of the installation cannot be used by us. Says why, and what to do."""


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
        return read_house(self.settings.house_path, lists=Lists)

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
        return {name: self._url(name, runtime_role(self._prefix, name), _RUNTIME) for name in SERVICES}

    def owner_urls(self) -> dict[str, str]:
        """The address of each service's database, with the role that may migrate it."""
        if "{service}" in self.settings.database_url:
            return self.urls()
        return {name: self._url(name, owner_role(self._prefix, name), _OWNER) for name in SERVICES}

    def admin_url(self) -> str:
        """The address of a user who may make roles and databases; the embedded server's if none is given."""
        return self.settings.database_url or EmbeddedPostgres(self.settings.home).url()

    def place_apart(self) -> str:
        """Where the embedded database stands if that is outside of the home folder, as a sentence.

        Raises:
            EmbeddedError: when the database is another installation's, or gone.
        """
        if not self.settings.embedded_database:
            return ""
        server = EmbeddedPostgres(self.settings.home)
        server.settle()
        if not server.apart:
            return ""
        return (
            f"The database stands in {server.location}, because PostgreSQL does not run as root. It is not "
            f"in {server.home}: whoever copies, moves to another computer or deletes one sees to both."
        )

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
    def database(self, *, whole: bool = True) -> Iterator[None]:
        """Reach the databases for a moment: beside services that run already, or without any.

        Without any, the embedded ones are made and brought to this code first, as a start would do.

        Args:
            whole: refuse what a restore has left by half.

        Raises:
            NothingBegun: when there is no installation here: a slip in the folder's name makes no second one.
            NotMigrated: when a restore did not come to its end.
        """
        self.check_begun()
        if not self.settings.embedded_database or EmbeddedPostgres(self.settings.home).running:
            self._check_whole(whole)
            yield
            return
        with self.in_use():
            self._check_whole(whole)
            self.make_keys()
            for _ in self.migrate():
                pass
            yield

    def _check_whole(self, whole: bool) -> None:
        with suppress(FileNotFoundError):  # a key that is gone is said by whoever needs it
            if whole:
                refuse_unfinished(self.urls())

    def check_begun(self) -> None:
        """Refuse to act where nobody has begun anything.

        Raises:
            NothingBegun: names the folder, and what to type.
            NotUsable: when it is somebody else's, or can only be read.
        """
        if self.settings.embedded_database and (why := unusable(self.settings.home)):
            raise NotUsable(why)
        if self.settings.embedded_database and not self.settings.house_path.exists():
            raise NothingBegun(
                f"There is no installation in {self.settings.home.absolute()}. Name the folder of yours with "
                "--home or CONDUIT_HOME, or begin one there: conduit init"
            )

    def note_origin(self) -> None:
        """Note where the pages are served, for commands that say an address later."""
        (self.settings.home / "origin").write_text(self.settings.origin, encoding="utf-8")

    @property
    def is_placed(self) -> bool:
        """Whether it is known where the pages are: until they are served, only the settings may say."""
        return bool(self.settings.public_url) or (self.settings.home / "origin").exists()

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
        self.make_passwords()

    def make_passwords(self) -> None:
        """Make the passwords that are missing, of the roles in PostgreSQL; existing ones stay."""
        self.settings.keys_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for service in SERVICES:
            for kind in (_RUNTIME, _OWNER):
                create_file(self._password_file(service, kind), lambda: secrets.token_urlsafe(24).encode())

    def prepare(self) -> None:
        """Make the two roles and the database of each service that are missing, where that is ours to do."""
        if "{service}" in self.settings.database_url:
            return
        self.make_passwords()
        passwords = {
            name: Passwords(self._password(name, _RUNTIME), self._password(name, _OWNER)) for name in SERVICES
        }
        connections = self.settings.database_connections
        prepare_server(self.admin_url(), self._prefix, passwords, connections)

    def migrate(self, only: Sequence[str] = SERVICES) -> Iterator[str]:
        """Make what is missing on the server and bring each database to the newest revision, one a step.

        An address with ``{service}`` is that of the owners: then nothing is made.
        """
        if "{service}" not in self.settings.database_url:
            self.make_keys()
        self.prepare()
        urls = self.owner_urls()
        for service in only:
            migrate(urls[service], migrations_of(service), runtime_role(self._prefix, service))
            yield service

    @property
    def _prefix(self) -> str:
        return self.settings.database_prefix

    def _url(self, service: str, role: str, kind: str) -> str:
        database = runtime_role(self._prefix, service)
        return service_url(self.admin_url(), database, role, self._password(service, kind))

    def _password(self, service: str, kind: str) -> str:
        return self._password_file(service, kind).read_text().strip()

    def _password_file(self, service: str, kind: str) -> Path:
        return self.settings.keys_folder / f"{service}.{kind}"


def _bring_back(server: EmbeddedPostgres) -> None:
    if server.pid is not None:
        return
    _log.error("database_died")
    try:
        server.start()
    except EmbeddedError as error:  # what is left of the dead one may take a moment to go
        _log.warning("database_not_started", **describe(error))


def left_behind_in_words() -> list[str]:
    """What there is of earlier installations whose home folder was deleted, a sentence for each."""
    return [
        f"{place} holds the database of an earlier installation in {home}, with everybody's data. If that "
        f"folder was deleted, and not moved, remove it: rm -r {shlex.quote(str(place))}"
        for place, home in left_behind().items()
    ]


def migrations_of(service: str) -> Path:
    """The folder of a service's migrations."""
    return Path(import_module(f"services.{service}").__file__ or "").parent / "migrations"
