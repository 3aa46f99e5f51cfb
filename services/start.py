"""Starting: an own installation, the services with or without the example, the story on a throwaway one."""

import asyncio
import dataclasses
import json
import secrets
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from pathlib import Path

from chassis.belonging import refuse_other_keys
from chassis.config import Settings, SettingsError
from chassis.embedded import make_home
from chassis.errors import ChassisError
from chassis.house import house_of
from chassis.migrations import drop_databases
from chassis.patience import until_there
from chassis.ports import refuse_taken
from chassis.supervisor import supervise
from contracts.topology import PARTNERS, SERVICES
from services.installation import Installation
from services.keeping import check_terms
from services.lists import Lists
from services.messages import opened
from services.notifications.leaving import kept_here

#: A house file with its gaps: ``{name}``, ``{email}`` and ``{person}``.
_STARTER = Path(__file__).parent / "starter_house.toml"


#: Shows a title while its block runs; gives a function that is told how much is done.
ShowProgress = Callable[[str], AbstractContextManager[Callable[[int], None]]]


class AlreadyBegun(ChassisError):
    """There is a house file already; edit it instead of starting another one."""


def begin(installation: Installation, *, name: str, email: str, person: str) -> Path:
    """Write a house file and keys for another body. Nothing that exists is overwritten.

    Raises:
        AlreadyBegun: names the file.
        HouseError: when the name or the address cannot be used.
    """
    path = installation.settings.house_path
    if path.exists():
        raise AlreadyBegun(
            f"{path} exists already. Edit it, or begin in another folder: conduit init --home FOLDER"
        )
    text = starter_house(name, email, person)
    make_home(installation.settings.home)
    path.write_text(text, encoding="utf-8")
    installation.make_keys()
    return path


def starter_house(name: str, email: str, person: str = "TO DO: name") -> str:
    """The text of a first house file for another body, ready to be read and then to be edited.

    Raises:
        HouseError: names the one of them that could not be read back.
    """
    given = {"name": name, "email": email, "person": person}
    text = _STARTER.read_text(encoding="utf-8").format_map({key: _quoted(given[key]) for key in given})
    house_of(text, lists=Lists)
    return text


def _quoted(text: str) -> str:
    """As TOML writes it: a JSON string, but for the one control character that JSON lets pass."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def serve(installation: Installation, *, only: Sequence[str], example: bool, progress: ShowProgress) -> int:
    """Prepare everything, once database and broker are there, then serve until a signal. The exit code."""
    settings = installation.settings
    _check_choice(settings, only)
    check_terms(settings)
    if example:
        installation.take_example_house()
    if kept := kept_here(settings, installation.house()):
        print(f"No letter goes yet. {kept.words} {kept.cure}", file=sys.stderr)
    installation.make_keys()
    if apart := installation.place_apart():
        print(apart, file=sys.stderr)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # in good order, also while something is waited for
    with installation.in_use() as tend:
        refuse_taken(settings)
        until_there(lambda: _migrate(installation, progress))
        until_there(lambda: asyncio.run(_refuse_other_keys(installation, only or SERVICES)))
        if settings.amqp_url:
            until_there(lambda: _declare(settings))
        if not only or PARTNERS in only:
            installation.note_origin()
        arguments = [*(only or SERVICES), *(["--play=example"] if example else [])]
        return supervise("services.serve", arguments, settings.environment(), settings.grace + 4, tend)


def tell_story(
    *, amqp_url: str | None, database_url: str | None, as_json: bool, progress: ShowProgress
) -> int:
    """Play the story on an instance that is thrown away afterwards. The exit code."""
    with tempfile.TemporaryDirectory(prefix="conduit-story-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        settings = thrown_away(Settings.load(amqp_url=amqp_url, database_url=database_url), Path(folder))
        installation = Installation(settings)
        installation.take_example_house()
        installation.make_keys()
        try:
            with installation.in_use():
                _migrate(installation, progress)
                return _tell(settings, as_json)
        finally:
            _clear_away(settings)


def thrown_away(settings: Settings, folder: Path) -> Settings:
    """The settings of an instance that ends with the story. It mails nobody, and takes in no real mail."""
    from chassis.testing import free_port

    return dataclasses.replace(
        settings,
        home=folder / "home",
        house_file=None,
        keys=None,
        smtp_url="",
        imap_url="",
        lmtp="",
        port=free_port(),
        metrics_port=0,
        database_prefix=f"conduit_story_{secrets.token_hex(4)}",
        mail_rate=1000.0,
        log_level="error",
    )


def _migrate(installation: Installation, progress: ShowProgress) -> None:
    with progress("Preparing the databases") as done:
        for number, _ in enumerate(installation.migrate(), 1):
            done(number)


async def _refuse_other_keys(installation: Installation, services: Sequence[str]) -> None:
    """Look at all before any is started: each of them would name itself alone."""
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(opened(installation, service)) for service in services]
        await refuse_other_keys(*databases)


def _tell(settings: Settings, as_json: bool) -> int:
    if settings.amqp_url:
        _declare_throwaway(settings)
    play = "--play=story-json" if as_json else "--play=story"
    return supervise("services.serve", [*SERVICES, play], settings.environment(), settings.grace + 4)


def _declare(settings: Settings) -> None:
    from chassis.declare import declare

    declare(settings.amqp_admin_url or settings.amqp_url)


def _declare_throwaway(settings: Settings) -> None:
    """Declare on a broker where nothing of ours is in use; the story must not drink from another's queue."""
    from chassis.declare import NotDeclared, declare, waiting

    url = settings.amqp_admin_url or settings.amqp_url
    try:
        used = [name for name, (count, consumers) in waiting(url).items() if count or consumers]
    except NotDeclared:
        used = []
    if used:
        raise SettingsError(f"The queue {used[0]} is in use there. Give the story a virtual host of its own.")
    declare(url)


def _clear_away(settings: Settings) -> None:
    if settings.database_url and "{service}" not in settings.database_url:
        drop_databases(settings.database_url, settings.database_prefix, SERVICES)
    if settings.amqp_url:
        from chassis.declare import remove

        remove(settings.amqp_admin_url or settings.amqp_url)


def known(services: Sequence[str] | None) -> Sequence[str]:
    """The services that were named, or all of them.

    Raises:
        SettingsError: names one that there is not.
    """
    unknown = [name for name in services or () if name not in SERVICES]
    if unknown:
        raise SettingsError(f"There is no service {unknown[0]}. Choose from: {', '.join(SERVICES)}.")
    return services or SERVICES


def _check_choice(settings: Settings, only: Sequence[str]) -> None:
    if set(known(only)) != set(SERVICES) and not settings.amqp_url:
        raise SettingsError("Services in processes of their own need a broker between them: give --amqp-url.")
