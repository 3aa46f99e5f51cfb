"""The pages and the API of partners: routes only, each named after what it shows or does."""

from pathlib import Path

from starlette.types import ASGIApp

from chassis.database import Database
from chassis.web import Site, operation, page
from contracts.access import Action
from services.partners.web import account, people, register, rights, second_factor, sign_in, tokens
from services.partners.web.documents import OrganisationsDocument, WholeOrganisationDocument

TEMPLATES = Path(__file__).parents[1] / "templates"


def build(database: Database) -> ASGIApp:
    """The application, to be mounted at ``/partners``."""
    read, public, own, prove = (
        Action.READ_PARTNERS,
        Action.BE_PUBLIC,
        Action.KEEP_ACCOUNT,
        Action.PROVE,
    )
    see_people, administer = Action.READ_PEOPLE, Action.ADMINISTER_PEOPLE
    see_rights, answer_rights = Action.READ_RIGHTS, Action.ANSWER_RIGHTS
    post = ("POST",)
    routes = [
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
        page("/sign-in", sign_in.show, public),
        page("/sign-in", sign_in.ask, public, methods=post),
        page("/sign-in/sent", sign_in.sent, public),
        page("/sign-in/code", sign_in.by_code, public, methods=post),
        page("/sign-in/{link}", sign_in.show_link, public),
        page("/sign-in/{link}", sign_in.by_link, public, methods=post),
        page("/renew", sign_in.renew, public, methods=("GET", "POST")),
        page("/prove/first", second_factor.first, prove, methods=("GET", "POST")),
        page("/prove", second_factor.show, prove),
        page("/prove", second_factor.prove, prove, methods=post),
        page("/kept", account.kept, own),
        page("/kept/send", account.send_kept, own, methods=post),
        page("/kept/discard", account.discard_kept, own, methods=post),
        page("/account", account.show, own),
        page("/account/everything", rights.ask_for_oneself, own, methods=post),
        page("/account/sign-out", account.sign_out, own, methods=post),
        page("/account/sign-out-everywhere", account.sign_out_everywhere, own, methods=post),
        page("/account/sessions/{id}/end", account.end, own, methods=post),
        page("/account/second-factor", second_factor.show_set_up, own),
        page("/account/second-factor", second_factor.set_up, own, methods=post),
        page("/account/second-factor/remove", second_factor.remove, own, methods=post),
        page("/account/recovery-codes", second_factor.show_codes, own),
        page("/account/recovery-codes", second_factor.renew_codes, own, methods=post),
        page("/account/tokens", tokens.show, own),
        page("/account/tokens", tokens.issue, own, methods=post),
        page("/account/tokens/new", tokens.show_new, own),
        page("/account/tokens/{id}/revoke", tokens.revoke, own, methods=post),
        page("/people", people.show_all, see_people),
        page("/people/invite", people.show_invitation, administer),
        page("/people/invite", people.invite_somebody, administer, methods=post),
        page("/people/{id}", people.show, see_people),
        page("/people/{id}/roles", people.give_roles, administer, methods=post),
        page("/people/{id}/address", people.put_address_right, administer, methods=post),
        page("/people/{id}/bar", people.bar_somebody, administer, methods=post),
        page("/people/{id}/forget-second-factor", people.forget_second_factor, administer, methods=post),
        page("/people/{id}/admit", people.admit_again, administer, methods=post),
        page("/rights", rights.show_all, see_rights),
        page("/rights/new", rights.show_form, answer_rights),
        page("/rights/new/find", rights.look_for, answer_rights, methods=post),
        page("/rights/new", rights.begin, answer_rights, methods=post),
        page("/rights/{id}", rights.show, see_rights),
        page("/rights/{id}/release", rights.release, answer_rights, methods=post),
        page("/rights/{id}/cancel", rights.cancel, answer_rights, methods=post),
        page("/rights/{id}/archive", rights.download, answer_rights),
        page("/rights/{id}/files/{service}/{number}", rights.show_file, answer_rights),
        page(
            "/rights/{id}/files/{service}/{number}/leave-out", rights.leave_out, answer_rights, methods=post
        ),
    ]
    return Site(database, routes, TEMPLATES).app
