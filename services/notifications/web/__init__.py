"""The pages and the API of letters: routes only, each named after what it shows or does."""

from pathlib import Path
from typing import Any

from starlette.routing import Route

from chassis.database import Database
from chassis.web import Site, operation, page
from contracts.access import Action
from services.notifications.documents import (
    CampaignDocument,
    DraftDocument,
    PlanDocument,
    SendingDocument,
    SubmittedDocument,
)
from services.notifications.figures import Standings
from services.notifications.web import (
    api,
    board,
    chasing,
    chasing_settings,
    check,
    compose,
    incoming,
    letter,
    notices,
    own_words,
    posting,
    respond,
    restored,
    stops,
    suspects,
    telling,
    words,
    worked,
)

TEMPLATES = Path(__file__).parents[1] / "templates"
POST = ("POST",)


def build(database: Database) -> Any:
    """The ASGI application, to be mounted under ``/letters``."""
    groups = (
        *(_composing(), _campaigns(), _sending(), _letters(), _answering(), _incoming(), _chasing()),
        *(_posting(), _notices(), _outside(), _programs()),
    )
    site = Site(database, [route for group in groups for route in group], TEMPLATES, public=("/r/",))
    standings = Standings(database)
    site.app.state.standings, site.app.state.boards = standings, board.seeing(site, standings)
    return site.app


def _campaigns() -> list[Route]:
    """What became of campaigns."""
    read = Action.READ_LETTERS
    return [
        page("/", board.list_campaigns, read),
        page("/campaigns", board.list_campaigns, read),  # for whoever shortens the address of one
        page("/campaigns/{id}.csv", board.download, read),
        page("/campaigns/{id}", board.show, read),
        page("/campaigns/{id}/live", board.follow, read),
        page("/campaigns/{id}/worked.csv", worked.download, read),
        page("/campaigns/{id}/worked", worked.show, read),
        page("/worked.csv", worked.download_all, read),
        page("/worked", worked.show_all, read),
    ]


def _composing() -> list[Route]:
    """A draft, step by step."""
    write = Action.WRITE_LETTERS
    return [
        page("/campaigns/new", compose.show_new, write),
        page("/campaigns/new", compose.begin, write, methods=POST),
        page("/campaigns/{id}/purpose", compose.show_purpose, write),
        page("/campaigns/{id}/purpose", compose.save_purpose, write, methods=POST),
        page("/campaigns/{id}/who", compose.show_who, write),
        page("/campaigns/{id}/who", compose.save_who, write, methods=POST),
        page("/campaigns/{id}/who/check", compose.check_who, write, methods=POST),
        page("/campaigns/{id}/words", compose.show_words, write),
        page("/campaigns/{id}/words", compose.save_words, write, methods=POST),
        page("/campaigns/{id}/words/check", compose.check_words, write, methods=POST),
        page("/campaigns/{id}/words/mail", compose.mail_words, write, methods=POST),
        page("/campaigns/{id}/copy", compose.copy, write, methods=POST),
        page("/campaigns/{id}/discard", compose.discard, write, methods=POST),
        page("/letters/{id}/words", own_words.show, write),
        page("/letters/{id}/words", own_words.save, write, methods=POST),
        page("/letters/{id}/words/check", own_words.check, write, methods=POST),
        page("/letters/{id}/words/mail", own_words.mail, write, methods=POST),
    ]


def _sending() -> list[Route]:
    """From the check list to the last letter."""
    read, write, send, approve = (
        Action.READ_LETTERS,
        Action.WRITE_LETTERS,
        Action.SEND_LETTERS,
        Action.APPROVE_LETTERS,
    )
    return [
        page("/campaigns/{id}/words/versions", words.versions, read),
        page("/campaigns/{id}/check", check.show_check, read),
        page("/campaigns/{id}/letters", check.show_letters, read),
        page("/campaigns/{id}/letters", check.write, write, methods=POST),
        page("/campaigns/{id}/letter", check.jump, read),
        page("/campaigns/{id}/submit", check.submit, write, methods=POST),
        page("/campaigns/{id}/take-back", check.take_back, write, methods=POST),
        page("/campaigns/{id}/approve", check.show_approval, read),
        page("/campaigns/{id}/approve", check.approve, approve, methods=POST),
        page("/campaigns/{id}/send-back", check.send_back, approve, methods=POST),
        page("/campaigns/{id}/send", check.show_sending, read),
        page("/campaigns/{id}/send", check.send, send, methods=POST),
        page("/campaigns/{id}/schedule", check.schedule, send, methods=POST),
        page("/campaigns/{id}/pause", check.pause, send, methods=POST),
        page("/campaigns/{id}/resume", check.resume, send, methods=POST),
        page("/campaigns/{id}/stop", check.stop, send, methods=POST),
    ]


def _letters() -> list[Route]:
    """One letter and what came back for it."""
    read, settle = Action.READ_LETTERS, Action.SETTLE_ANSWERS
    return [
        page("/letters/{id}", letter.show, read),
        page("/letters/{id}/pdf", letter.as_pdf, read),
        page("/letters/{id}/html", letter.as_html, read),
        page("/letters/{id}/mail", letter.as_file, read),
        page("/letters/{id}/arrived", letter.arrived, settle, methods=POST),
        page("/letters/{id}/again", letter.again, Action.SEND_LETTERS, methods=POST),
        page("/restored", restored.show, read),
        page("/restored", restored.settle, Action.SEND_LETTERS, methods=POST),
        page("/pledges/{id}/confirm", letter.confirm, Action.CONFIRM_PLEDGES, methods=POST),
        page("/answers/{id}/settle", letter.settle, settle, methods=POST),
    ]


def _notices() -> list[Route]:
    """What messages to one person say."""
    read, write = Action.READ_LETTERS, Action.WRITE_LETTERS
    return [
        page("/words", notices.show_all, read),
        page("/words/{kind}", notices.choose_language, read),
        page("/words/{kind}/{language}", notices.show, read),
        page("/words/{kind}/{language}", notices.save, write, methods=POST),
        page("/words/{kind}/{language}/check", notices.check, write, methods=POST),
        page("/words/{kind}/{language}/mail", notices.as_mail, read),
        page("/words/{kind}/{language}/versions", notices.versions, read),
    ]


def _outside() -> list[Route]:
    """What recipients see."""
    public = Action.BE_PUBLIC
    return [
        page("/r/{token}", respond.show, public),
        page("/r/{token}", respond.answer, public, methods=POST),
        page("/r/{token}/done", respond.done, public),
        page("/r/{token}/stop", respond.show_stop, public),
        page("/r/{token}/stop", respond.stop_letters, public, methods=POST),
        page("/r/{token}/stop/take-back", respond.take_back_stop, public, methods=POST),
        page("/r/{token}/pdf", respond.as_pdf, public),
    ]


def _programs() -> list[Route]:
    """The API."""
    read, write, send = Action.READ_LETTERS, Action.WRITE_LETTERS, Action.SEND_LETTERS
    return [
        operation(
            "/campaigns",
            api.create,
            write,
            method="POST",
            takes=PlanDocument,
            gives=DraftDocument,
            status=201,
        ),
        operation("/campaigns/{id}", api.show, read, gives=CampaignDocument),
        operation("/campaigns/{id}/submit", api.submit, write, method="POST", gives=SubmittedDocument),
        operation("/campaigns/{id}/send", api.send, send, method="POST", gives=SendingDocument, status=202),
    ]


def _answering() -> list[Route]:
    """Answers that staff enter, and whom nobody writes to again."""
    settle = Action.SETTLE_ANSWERS
    return [
        page("/letters/{id}/answers/new", telling.show_form, settle),
        page("/letters/{id}/answers/new", telling.enter, settle, methods=POST),
        page("/stops", stops.show, Action.READ_LETTERS),
        page("/stops/{id}/lift", stops.lift_one, Action.WRITE_LETTERS, methods=POST),
    ]


def _incoming() -> list[Route]:
    """Mail that came: what is held, what is our turn, and which letter it is about."""
    settle = Action.SETTLE_ANSWERS
    return [
        page("/incoming", incoming.show_all, settle),
        page("/incoming/{id}", incoming.show, settle),
        page("/incoming/{id}/html", incoming.as_html, settle),
        page("/incoming/{id}/raw", incoming.as_it_came, settle),
        page("/incoming/{id}/files/{number}", incoming.attachment, settle),
        page("/incoming/{id}/match", incoming.match, settle, methods=POST),
        page("/incoming/{id}/unmatch", incoming.unmatched, settle, methods=POST),
        page("/incoming/{id}/aside", incoming.aside, settle, methods=POST),
        page("/incoming/{id}/settle", incoming.settle, settle, methods=POST),
    ]


def _posting() -> list[Route]:
    """What is printed and posted."""
    read, send, settle = Action.READ_LETTERS, Action.SEND_LETTERS, Action.SETTLE_ANSWERS
    return [
        page("/post", posting.show, read),
        page("/post", posting.make, send, methods=POST),
        page("/post/{id}", posting.show_batch, read),
        page("/post/{id}/live", posting.follow, read),
        page("/post/{id}/take", posting.take, send, methods=POST),
        page("/post/{id}/pdf", posting.give, send),
        page("/post/{id}/posted", posting.posted, send, methods=POST),
        page("/post/{id}/drop", posting.drop, send, methods=POST),
        page("/post/{id}/day", posting.correct, send, methods=POST),
        page("/letters/{id}/returned", posting.letter_came_back, settle, methods=POST),
        page("/chasers/{id}/returned", posting.chaser_came_back, settle, methods=POST),
    ]


def _chasing() -> list[Route]:
    """Whom to chase, and how."""
    read, send, settle = Action.READ_LETTERS, Action.SEND_LETTERS, Action.SETTLE_ANSWERS
    return [
        page("/chasing", chasing.show, read),
        page("/chasing", chasing.chase, send, methods=POST),
        page("/chasing/other", chasing.other, send, methods=POST),
        page("/chasing/post", chasing.post, send, methods=POST),
        page("/chasing/{id}/back", chasing.back, send, methods=POST),
        page("/chasers/{id}/pdf", chasing.as_pdf, send),
        page("/chasers/{id}/mail", chasing.as_file, read),
        page("/chasers/{id}/arrived", chasing.arrived, settle, methods=POST),
        page("/chasers/{id}/again", chasing.again, send, methods=POST),
        page("/suspects", suspects.show, read),
        page("/suspects/{id}/works", suspects.works, settle, methods=POST),
        page("/campaigns/{id}/chasing", chasing_settings.show, read),
        page("/campaigns/{id}/chasing", chasing_settings.save, send, methods=POST),
        page("/campaigns/{id}/chasing/check", chasing_settings.check, send, methods=POST),
        page("/campaigns/{id}/chasing/mail", chasing_settings.mail, read),
        page("/campaigns/{id}/chasing/mail", chasing_settings.mail, send, methods=POST),
    ]
