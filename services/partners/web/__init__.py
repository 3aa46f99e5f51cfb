"""The pages and the API of partners: routes only, each named after what it shows or does."""

from pathlib import Path

from starlette.routing import Route
from starlette.types import ASGIApp

from chassis.database import Database
from chassis.web import LARGEST_FILE, Site, operation, page
from contracts.access import Action
from services.partners.web import (
    account,
    agree,
    agreements,
    closing,
    contacts,
    directory,
    drafting,
    entries,
    exports,
    imports,
    listing,
    merging,
    notes,
    openreferral,
    operations,
    outcomes,
    people,
    referrals,
    referred,
    register,
    rights,
    searching,
    second_factor,
    service_form,
    sign_in,
    suggested,
    tagging,
    timeline,
    today,
    tokens,
    versions,
    views,
)
from services.partners.web.documents import (
    ChangeDocument,
    EntryChangeDocument,
    NewOrganisationDocument,
    OrganisationDocument,
    OrganisationsDocument,
    WholeOrganisationDocument,
)

TEMPLATES = Path(__file__).parents[1] / "templates"

_POST = ("POST",)


def build(database: Database) -> ASGIApp:
    """The application, to be mounted at ``/partners``."""
    groups = (
        *(_register(), _merging(), _agreements(), _dealings(), _directory(), _imports(), _exports()),
        *(_signing_in(), _account(), _people(), _rights(), _operations()),
    )
    routes = [route for group in groups for route in group]
    return Site(database, routes, TEMPLATES, public=("/agree/", referred.PATH)).app


def _register() -> list[Route]:
    """Organisations and contacts."""
    read, write = Action.READ_PARTNERS, Action.WRITE_PARTNERS
    return [
        page("/", today.show, read),
        page("/organisations", listing.organisations, read),
        page("/organisations/new", entries.show_new, write),
        page("/organisations/new", entries.register, write, methods=_POST),
        *_list_keeping(),
        page("/organisations/{id}", register.organisation, read),
        page("/organisations/{id}/edit", entries.show_edit, write),
        page("/organisations/{id}/edit", entries.amend, write, methods=_POST),
        page("/organisations/{id}/tags", tagging.tag_one, write, methods=_POST),
        page("/organisations/{id}/contacts/new", contacts.show_new, write),
        page("/organisations/{id}/contacts/new", contacts.add, write, methods=_POST),
        page("/contacts/{id}/edit", contacts.show_edit, write),
        page("/contacts/{id}/edit", contacts.amend, write, methods=_POST),
        page("/contacts/{id}/withdraw", contacts.withdraw, write, methods=_POST),
        page("/contacts/{id}/relist", contacts.relist, write, methods=_POST),
        page("/suggestions/{id}", suggested.show, write),
        page("/suggestions/{id}", suggested.accept, write, methods=_POST),
        page("/suggestions/{id}/leave-out", suggested.leave_out, write, methods=_POST),
        *_register_for_programs(),
    ]


def _list_keeping() -> list[Route]:
    """What people keep of the list: tags on many, and views."""
    write = Action.WRITE_PARTNERS
    return [
        page("/tagging", tagging.ask, write, methods=_POST),
        page("/tagging/{id}", tagging.show, write),
        page("/tagging/{id}", tagging.carry_out, write, methods=_POST),
        page("/tagging/{id}/undo", tagging.undo, write, methods=_POST),
        page("/views", views.show_all, write),
        page("/views", views.save, write, methods=_POST),
        page("/views/{id}/rename", views.rename, write, methods=_POST),
        page("/views/{id}/delete", views.delete, write, methods=_POST),
        page("/views/{id}/restore", views.restore, write, methods=_POST),
    ]


def _register_for_programs() -> list[Route]:
    """The same for programs, without anything personal."""
    read, write = Action.READ_PARTNERS, Action.WRITE_PARTNERS
    one = "/organisations/{id}"
    changed = OrganisationDocument
    return [
        operation(
            "/organisations",
            listing.api_organisations,
            read,
            gives=OrganisationsDocument,
            asks=searching.ASKS,
        ),
        operation(
            "/organisations",
            entries.api_register,
            write,
            gives=changed,
            takes=NewOrganisationDocument,
            method="POST",
            status=201,
        ),
        operation(one, register.api_organisation, read, gives=WholeOrganisationDocument),
        operation(one, entries.api_replace, write, gives=changed, takes=EntryChangeDocument, method="PUT"),
        operation(one, entries.api_amend, write, gives=changed, takes=ChangeDocument, method="PATCH"),
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
        page("/kept/send", account.send_kept, own, methods=_POST),
        page("/kept/discard", account.discard_kept, own, methods=_POST),
        page("/account", account.show, own),
        page("/account/everything", rights.ask_for_oneself, own, methods=_POST),
        page("/account/sign-out", account.sign_out, own, methods=_POST),
        page("/account/sign-out-everywhere", account.sign_out_everywhere, own, methods=_POST),
        page("/account/sessions/{id}/end", account.end, own, methods=_POST),
        page("/account/second-factor", second_factor.show_set_up, own),
        page("/account/second-factor", second_factor.set_up, own, methods=_POST),
        page("/account/second-factor/remove", second_factor.remove, own, methods=_POST),
        page("/account/recovery-codes", second_factor.show_codes, own),
        page("/account/recovery-codes", second_factor.renew_codes, own, methods=_POST),
        page("/account/tokens", tokens.show, own),
        page("/account/tokens", tokens.issue, own, methods=_POST),
        page("/account/tokens/new", tokens.show_new, own),
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
        page("/people/{id}/address", people.put_address_right, administer, methods=_POST),
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


def _operations() -> list[Route]:
    """How all services are."""
    see, settle = Action.READ_OPERATIONS, Action.SETTLE_PARKED
    return [
        page("/ops", operations.show, see),
        page("/ops/live", operations.follow, see),
        page("/ops/runbook", operations.runbook, see),
        page("/ops/{service}/{act}/{which}", operations.show_parked, settle),
        page("/ops/{service}/{act}/{which}", operations.settle_parked, settle, methods=_POST),
    ]


def _merging() -> list[Route]:
    """Two entries of one body, and bodies that close."""
    write, one = Action.WRITE_PARTNERS, "/organisations/{id}"
    return [
        page(f"{one}/merge", merging.find, write),
        page(f"{one}/merge/compare", merging.compare, write),
        page(f"{one}/merge/confirm", merging.confirm, write),
        page(f"{one}/merge", merging.do, write, methods=_POST),
        page(f"{one}/close", closing.show, write),
        page(f"{one}/close", closing.do_close, write, methods=_POST),
        page(f"{one}/reopen", closing.do_reopen, write, methods=_POST),
    ]


def _agreements() -> list[Route]:
    """What was agreed with other bodies, who signs it, and what comes of it."""
    read, write, public = Action.READ_PARTNERS, Action.WRITE_PARTNERS, Action.BE_PUBLIC
    new, one, outcome = "/organisations/{id}/agreements/new", "/agreements/{id}", "/outcomes/{id}"
    return [
        page("/agreements", agreements.show_all, read),
        page(new, drafting.show_new, write),
        page(new, drafting.begin, write, methods=_POST),
        page(one, agreements.show, read),
        page(f"{one}/draft", drafting.show, write),
        page(f"{one}/draft", drafting.save, write, methods=_POST),
        page(f"{one}/offer", agreements.offer, write, methods=_POST),
        page(f"{one}/send", agreements.send, write, methods=_POST),
        page(f"{one}/take-back", agreements.take_back, write, methods=_POST),
        page(f"{one}/sign", agreements.sign, write, methods=_POST),
        page(f"{one}/copy", agreements.attach, write, methods=_POST, largest=LARGEST_FILE),
        page(f"{one}/amend", agreements.amend, write, methods=_POST),
        page(f"{one}/give-up", agreements.give_up, write, methods=_POST),
        page(f"{one}/review", agreements.review, write, methods=_POST),
        page(f"{one}/end", agreements.end, write, methods=_POST),
        page(f"{one}/history", versions.history, read),
        page(f"{one}/versions/{{number}}/pdf", versions.as_pdf, read),
        page(f"{one}/versions/{{number}}/copy", versions.copy, read),
        page("/outcomes", outcomes.board, read),
        page(outcome, outcomes.show, read),
        page(f"{outcome}/met", outcomes.meet, write, methods=_POST),
        page(f"{outcome}/dropped", outcomes.drop, write, methods=_POST),
        page(f"{outcome}/owner", outcomes.give, write, methods=_POST),
        page("/agree/{token}", agree.show, public),
        page("/agree/{token}", agree.sign, public, methods=_POST),
        page("/agree/{token}/pdf", agree.as_pdf, public),
    ]


def _dealings() -> list[Route]:
    """What happened with an organisation, and who was sent on to it."""
    read, write, public = Action.READ_PARTNERS, Action.WRITE_PARTNERS, Action.BE_PUBLIC
    of_one, entry, referral = "/organisations/{id}", "/timeline/{id}", "/referrals/{id}"
    link = f"{referred.PATH}{{token}}"
    return [
        page(f"{of_one}/timeline", timeline.show_all, read),
        page(f"{of_one}/timeline/new", notes.show_new, write),
        page(f"{of_one}/timeline/new", notes.enter, write, methods=_POST),
        page(entry, notes.show, read),
        page(f"{entry}/edit", notes.show_edit, write),
        page(f"{entry}/edit", notes.edit, write, methods=_POST),
        page(f"{entry}/remove", notes.remove, write, methods=_POST),
        page(f"{entry}/restore", notes.put_back, write, methods=_POST),
        page(f"{entry}/calendar", notes.calendar, read),
        page(f"{entry}/files", notes.attach, write, methods=_POST, largest=LARGEST_FILE),
        page(f"{entry}/files/{{file}}", notes.download, read),
        page(f"{entry}/files/{{file}}/remove", notes.detach, write, methods=_POST),
        page(f"{entry}/files/{{file}}/restore", notes.reattach, write, methods=_POST),
        page("/referrals", referrals.show_all, read),
        page(f"{of_one}/referrals/new", referrals.show_new, write),
        page(f"{of_one}/referrals/new", referrals.make, write, methods=_POST),
        page(referral, referrals.show, read),
        page(f"{referral}/slip", referrals.slip, write),
        page(f"{referral}/answer", referrals.record, write, methods=_POST),
        page(f"{referral}/remind", referrals.remind, write, methods=_POST),
        page(f"{referral}/take-back", referrals.take_back, write, methods=_POST),
        page(link, referred.show, public),
        page(link, referred.answer, public, methods=_POST),
    ]


def _directory() -> list[Route]:
    """Services that partners offer: for staff, and for everybody's programs."""
    read, write, public = Action.READ_PARTNERS, Action.WRITE_PARTNERS, Action.BE_PUBLIC
    return [
        page("/services", directory.show_all, read),
        page("/services/slip", directory.slip, read),
        page("/services/new", service_form.show_new, write),
        page("/services/new", service_form.add, write, methods=_POST),
        page("/services/{id}", directory.show, read),
        page("/services/{id}/edit", service_form.show_edit, write),
        page("/services/{id}/edit", service_form.edit, write, methods=_POST),
        page("/services/{id}/check", directory.check, write, methods=_POST),
        page("/services/{id}/retire", directory.retire, write, methods=_POST),
        page("/services/{id}/bring-back", directory.bring_back, write, methods=_POST),
        page("/openreferral", openreferral.about, public),
        page("/openreferral/services", openreferral.services, public),
        page("/openreferral/services/{id}", openreferral.service, public),
        page("/openreferral/organizations", openreferral.organizations, public),
        page("/openreferral/organizations/{id}", openreferral.organization, public),
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
