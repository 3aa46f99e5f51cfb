"""The process that serves: ``python -m services.serve [SERVICE …]``, started by the command or a supervisor.

Everything it needs to know is in the environment. It is a module of its own because the loop must be in
place before anything else is imported.
"""

import chassis.loop as loop  # isort: skip  # first: it patches before anything opens a socket

import dataclasses
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial

from chassis import log
from chassis.background import Background
from chassis.config import Settings, SettingsError
from chassis.errors import Away, ChassisError
from chassis.mailbox import MailBox
from chassis.mailbox import pages as mail_pages
from chassis.process import Process, run
from chassis.rabbitmq import RabbitPublisher
from chassis.supervisor import GIVE_UP, TRY_AGAIN
from chassis.web import WebServer
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS, SERVICES
from services import play
from services.example_clock import Follower, may_move
from services.grants.service import Grants
from services.installation import Installation
from services.notifications.service import Notifications
from services.partners import signing_in
from services.partners.service import Partners
from services.sections import SECTIONS, WAYS_IN

CLASSES = {PARTNERS: Partners, GRANTS: Grants, NOTIFICATIONS: Notifications}


def main(arguments: Sequence[str]) -> int:
    """Serve the named services, or all of them; with ``--play`` play the example or the story as well."""
    playing = next((a.removeprefix("--play=") for a in arguments if a.startswith("--play=")), "")
    names = [argument for argument in arguments if not argument.startswith("--")] or list(SERVICES)
    try:
        settings = Settings.load()
        log.configure(settings.log_level, json=not sys.stderr.isatty())
        return _serve(settings, names, playing)
    except Away as error:
        print(error, file=sys.stderr)
        return TRY_AGAIN
    except (SettingsError, ChassisError) as error:
        print(error, file=sys.stderr)
        return GIVE_UP


def _serve(settings: Settings, names: Sequence[str], playing: str) -> int:
    installation = Installation(settings)
    house = installation.house()
    mailbox = None
    if NOTIFICATIONS in names and not settings.smtp_url:
        mailbox = MailBox(settings.home / "mail")
        port = loop.wait(mailbox.start())
        settings = dataclasses.replace(settings, smtp_url=f"smtp://127.0.0.1:{port}", mail_domain_rate=0.0)
    web = WebServer(
        settings,
        house,
        SECTIONS,
        ways_in=WAYS_IN,
        mail_href="/mail" if mailbox else "",
        alive=lambda: not process.watchdog.deaf,
    )
    process = Process(
        settings=settings,
        house=house,
        urls=installation.urls(),
        web=web,
        carrier=partial(_carrier, settings) if settings.amqp_url else None,
        sections=SECTIONS,
    )
    clock = Follower(settings, process.clock) if may_move(settings) else None
    following = clock and Background("process", "example clock", clock.look, pause=0.5, longest=5)
    if clock and following:
        loop.wait(clock.begin())
        loop.wait(following.start())
    if mailbox:
        loop.wait(web.mount("/mail", mail_pages(mailbox, settings, house, SECTIONS)))
    try:
        return run(
            process,
            [CLASSES[name] for name in names],
            ready=partial(_ready, process, names, playing, mailbox),
        )
    finally:
        if following:
            loop.wait(following.stop(0))
        if mailbox:
            loop.wait(mailbox.stop())


def _carrier(settings: Settings, service: str) -> RabbitPublisher:
    return RabbitPublisher(service, settings)


def _ready(process: Process, names: Sequence[str], playing: str, mailbox: MailBox | None) -> None:
    if playing:
        loop.spawn(_play, process, playing, mailbox)
    else:
        nobody = PARTNERS in names and loop.wait(play.nobody_yet(process))
        play.say_ready(process.settings, mailbox=mailbox is not None, nobody=nobody)


def _play(process: Process, what: str, mailbox: MailBox | None) -> None:
    """Play in the background of the running services; the story ends the process when it is told."""
    try:
        loop.wait(play.PLAYS[what](process))
    except Exception as error:  # noqa: BLE001  whatever it was, the process must not wait for a play that is over
        log.logger(__name__).error("play_failed", name=what, **log.describe(error))
        print(f"The {what} could not be played to its end: {error}", file=sys.stderr)
        os._exit(GIVE_UP)
    if what == "example":
        shown = signing_in.may_be_shown(process.settings)
        links = loop.wait(play.ready_links(process)) if shown else ()
        play.say_ready(process.settings, mailbox=mailbox is not None, links=links)
    else:
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
