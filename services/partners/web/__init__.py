"""The pages and the API of partners: routes only, each named after what it shows or does."""

from pathlib import Path

from starlette.routing import Route
from starlette.types import ASGIApp

from chassis.database import Database
from chassis.web import LARGEST_FILE, Site, operation, page
from contracts.access import Action
from services.partners.web import (
    account,
    exports,
    imports,
    people,
    register,
    rights,
    second_factor,
    sign_in,
    tokens,
)
from services.partners.web.documents import OrganisationsDocument, WholeOrganisationDocument

TEMPLATES = Path(__file__).parents[1] / "templates"

_POST = ("POST",)


def build(database: Database) -> ASGIApp:
    """The application, to be mounted at ``/partners``."""
    groups = (_register(), _signing_in(), _account(), _people(), _rights(), _imports(), _exports())
    return Site(database, [route for group in groups for route in group], TEMPLATES).app


def _register() -> list[Route]:
    """Organisations and contacts."""
    read = Action.READ_PARTNERS
    return [
        page("/", register.home, read),
        page("/organisations", register.organisations, read),
        page("/organisations/{id}", register.organisation, read),
        operation(
            "/organisations",
            register.api_organisations,
            read,
            gives=OrganisationsDocument,
            asks=register.ASKS,
        ),
        operation("/organisations/{id}", register.api_organisation, read, gives=WholeOrganisationDocument),
    ]


def _signing_in() -> list[Route]:
    """How a session begins, is renewed and is proved."""
    public, prove = Action.BE_PUBLIC, Action.PROVE
    return [
        page("/sign-in", sign_in.show, public),
        page("/sign-in", sign_in.ask, public, methods=_POST),
        page("/sign-in/sent", sign_in.sent, public),
        page("/sign-in/code", sign_in.by_code, public, methods=_POST),
        page("/sign-in/{link}", sign_in.show_link, public),
        page("/sign-in/{link}", sign_in.by_link, public, methods=_POST),
        page("/renew", sign_in.renew, public, methods=("GET", "POST"), largest=LARGEST_FILE),
        page("/prove/first", second_factor.first, prove, methods=("GET", "POST"), largest=LARGEST_FILE),
        page("/prove", second_factor.show, prove),
        page("/prove", second_factor.prove, prove, methods=_POST),
    ]


def _account() -> list[Route]:
    """What everybody keeps of their own."""
    own = Action.KEEP_ACCOUNT
    return [
        page("/kept", account.kept, own),
        page("/account", account.show, own),
        page("/account/everything", rights.ask_for_oneself, own, methods=_POST),
        page("/account/sign-out", account.sign_out, own, methods=_POST),
        page("/account/sign-out-everywhere", account.sign_out_everywhere, own, methods=_POST),
        page("/account/sessions/{id}/end", account.end, own, methods=_POST),
        page("/account/second-factor", second_factor.show_set_up, own),
        page("/account/second-factor", second_factor.set_up, own, methods=_POST),
        page("/account/second-factor/remove", second_factor.remove, own, methods=_POST),
        page("/account/recovery-codes", second_factor.renew_codes, own, methods=_POST),
        page("/account/tokens", tokens.show, own),
        page("/account/tokens", tokens.issue, own, methods=_POST),
        page("/account/tokens/{id}/revoke", tokens.revoke, own, methods=_POST),
    ]


def _people() -> list[Route]:
    """Who may sign in, and what they are trusted with."""
    see, administer = Action.READ_PEOPLE, Action.ADMINISTER_PEOPLE
    return [
        page("/people", people.show_all, see),
        page("/people/invite", people.show_invitation, administer),
        page("/people/invite", people.invite_somebody, administer, methods=_POST),
        page("/people/{id}", people.show, see),
        page("/people/{id}/roles", people.give_roles, administer, methods=_POST),
        page("/people/{id}/bar", people.bar_somebody, administer, methods=_POST),
        page("/people/{id}/forget-second-factor", people.forget_second_factor, administer, methods=_POST),
        page("/people/{id}/admit", people.admit_again, administer, methods=_POST),
    ]


def _rights() -> list[Route]:
    """What people ask about what is held on them."""
    see, answer = Action.READ_RIGHTS, Action.ANSWER_RIGHTS
    file = "/rights/{id}/files/{service}/{number}"
    return [
        page("/rights", rights.show_all, see),
        page("/rights/new", rights.show_form, answer),
        page("/rights/new/find", rights.look_for, answer, methods=_POST),
        page("/rights/new", rights.begin, answer, methods=_POST),
        page("/rights/{id}", rights.show, see),
        page("/rights/{id}/release", rights.release, answer, methods=_POST),
        page("/rights/{id}/cancel", rights.cancel, answer, methods=_POST),
        page("/rights/{id}/archive", rights.download, answer),
        page(file, rights.show_file, answer),
        page(f"{file}/leave-out", rights.leave_out, answer, methods=_POST),
    ]


def _imports() -> list[Route]:
    """Files that come into the register."""
    write = Action.WRITE_PARTNERS
    return [
        page("/imports", imports.show_all, write),
        page("/imports", imports.begin, write, methods=_POST, largest=LARGEST_FILE),
        page("/imports/{id}", imports.show, write),
        page("/imports/{id}", imports.choose, write, methods=_POST),
        page("/imports/{id}/live", imports.follow, write),
        page("/imports/{id}/missing", imports.missing, write),
        page("/imports/{id}/apply", imports.apply, write, methods=_POST),
        page("/imports/{id}/cancel", imports.cancel, write, methods=_POST),
    ]


def _exports() -> list[Route]:
    """What is taken away of the register."""
    read = Action.READ_PARTNERS
    return [
        page("/exports", exports.show, read),
        page("/exports/organisations.csv", exports.organisations, read),
        page("/exports/contacts.csv", exports.contacts, read),
        page("/exports/register.xlsx", exports.workbook, read),
        page("/organisations/{id}/contacts.vcf", exports.cards, read),
        page("/contacts/{id}/card.vcf", exports.card, read),
    ]
