"""The pages and the API of grants: routes only, each named after what it shows or does."""

from pathlib import Path

from starlette.routing import Route
from starlette.types import ASGIApp

from chassis.database import Database
from chassis.web import LARGEST_FILE, Site, operation, page
from contracts.access import Action
from services.grants.applying import LARGEST_EVIDENCE
from services.grants.web import (
    applications,
    apply,
    applying,
    attending,
    awarded,
    awards,
    cases,
    comments,
    conflicts,
    contributions,
    criteria,
    desk,
    dossiers,
    figures,
    funder_reports,
    funds,
    home,
    imports,
    ledger,
    meeting,
    minutes,
    panel,
    payments,
    price,
    published,
    publishing,
    register,
    registrations,
    reviews,
    rounds,
    simulation,
)
from services.grants.web.watching import seeing, watching

TEMPLATES = Path(__file__).parents[1] / "templates"

_POST = ("POST",)


def build(database: Database) -> ASGIApp:
    """The application, to be mounted at ``/grants``."""
    groups = (
        *(_home(), _funds(), _contributions(), _rounds()),
        *(_registrations(), _applying(), _applications(), _panel(), _desk()),
        *(_meeting(), _attending(), _awards(), _payments(), _shown()),
    )
    public = ("/apply/", "/applying/", "/data", "/360giving.")
    app = Site(database, [route for group in groups for route in group], TEMPLATES, public=public).app
    app.state.watching, app.state.seeing = watching(database), seeing(database)
    return app


def _home() -> list[Route]:
    """Where one begins, and how many are registered."""
    read = Action.READ_EVIDENCE
    return [
        page("/", home.home, read),
        operation("/registrations/counts", home.list_counts, read, gives=home.CountsDocument),
    ]


def _funds() -> list[Route]:
    """What money there is, and what it may be spent on."""
    read, keep = Action.READ_FUNDS, Action.KEEP_FUNDS
    return [
        page("/funds", funds.show_all, read),
        page("/funds/new", funds.show_new, keep),
        page("/funds/new", funds.open_one, keep, methods=_POST),
        page("/funds/{id}", funds.show, read),
        page("/funds/{id}/edit", funds.show_edit, keep),
        page("/funds/{id}/edit", funds.amend, keep, methods=_POST),
        page("/funds/{id}/close", funds.close, keep, methods=_POST),
        page("/funds/{id}/open", funds.open_again, keep, methods=_POST),
        page("/funds/{id}/terms", funds.keep_terms, keep, methods=_POST, largest=LARGEST_FILE),
        page("/terms/{id}", funds.give_terms, read),
    ]


def _contributions() -> list[Route]:
    """What is pledged, comes and goes back, and the ledger."""
    read, keep = Action.READ_FUNDS, Action.KEEP_FUNDS
    return [
        page("/funds/{id}/ledger", ledger.show, read),
        page("/funds/{id}/ledger.csv", ledger.download, read),
        page("/funds/{id}/receive", contributions.show_receipt, keep),
        page("/funds/{id}/receive", contributions.receive, keep, methods=_POST),
        page("/funds/{id}/pledge", contributions.show_pledging, keep),
        page("/funds/{id}/pledge", contributions.enter_pledge, keep, methods=_POST),
        page("/pledges/{id}", contributions.show_pledge, read),
        page("/pledges/{id}/fund", contributions.say_which_fund, keep, methods=_POST),
        page("/pledges/{id}/write-back", contributions.write_back, keep, methods=_POST),
        page("/pledges/{id}/expect-again", contributions.expect_again, keep, methods=_POST),
        page("/contributions/{id}", contributions.show_contribution, read),
        page("/contributions/{id}/refund", contributions.refund, keep, methods=_POST),
    ]


def _rounds() -> list[Route]:
    """What may be applied for, by whom, until when, and how it is scored."""
    read, keep = Action.READ_FUNDS, Action.KEEP_ROUNDS
    return [
        page("/rounds", rounds.show_all, read),
        page("/rounds/new", rounds.show_new, keep),
        page("/rounds/new", rounds.begin, keep, methods=_POST),
        page("/rounds/{id}", rounds.show, read),
        page("/rounds/{id}/edit", rounds.show_edit, keep),
        page("/rounds/{id}/edit", rounds.amend, keep, methods=_POST),
        page("/rounds/{id}/open", rounds.open_one, keep, methods=_POST),
        page("/rounds/{id}/close", rounds.close, keep, methods=_POST),
        page("/rounds/{id}/remove", rounds.remove, keep, methods=_POST),
        page("/rounds/{id}/criteria/new", criteria.show_new, keep),
        page("/rounds/{id}/criteria/new", criteria.add, keep, methods=_POST),
        page("/criteria/{id}", criteria.show, keep),
        page("/criteria/{id}", criteria.amend, keep, methods=_POST),
        page("/criteria/{id}/remove", criteria.remove, keep, methods=_POST),
    ]


def _registrations() -> list[Route]:
    """Who is registered, and what it costs that they do not work; the form, and the page behind its link."""
    public, read, keep = Action.BE_PUBLIC, Action.READ_EVIDENCE, Action.KEEP_REGISTRATIONS
    return [
        page("/registrations", registrations.show, read),
        page("/registrations.csv", registrations.download, read),
        page("/registrations/imports", imports.show_all, keep),
        page("/registrations/imports", imports.begin, keep, methods=_POST, largest=LARGEST_FILE),
        page("/registrations/imports/{id}", imports.show, keep),
        page("/registrations/imports/{id}/live", imports.follow, keep),
        page("/registrations/imports/{id}/refused.csv", imports.refused, keep),
        page("/registrations/imports/{id}/apply", imports.apply, keep, methods=_POST),
        page("/registrations/imports/{id}/cancel", imports.cancel, keep, methods=_POST),
        page("/price", price.show, read),
        page("/register", register.show, public),
        page("/register", register.ask, public, methods=_POST),
        page("/register/sent", register.sent, public),
        page("/register/privacy", register.privacy, public),
        page("/register/left", register.left, public),
        page("/register/{token}", register.show_one, public),
        page("/register/{token}/confirm", register.confirm, public, methods=_POST),
        page("/register/{token}/leave", register.leave, public, methods=_POST),
    ]


def _applying() -> list[Route]:
    """What people see who apply. No account; the secret in a link names the application."""
    public = Action.BE_PUBLIC
    return [
        page("/apply", apply.show_rounds, public),
        page("/apply/{round}", apply.show, public),
        page("/apply/{round}", apply.begin, public, methods=_POST),
        page("/apply/{round}/link", apply.send_links, public, methods=_POST),
        page("/applying/{token}", applying.show, public),
        page("/applying/{token}", applying.act, public, methods=_POST),
        page("/applying/{token}/evidence", applying.show_evidence, public),
        page(
            "/applying/{token}/evidence",
            applying.change_evidence,
            public,
            methods=_POST,
            largest=LARGEST_EVIDENCE,
        ),
        page("/applying/{token}/award", awarded.show, public),
        page("/applying/{token}/award", awarded.act, public, methods=_POST, largest=LARGEST_EVIDENCE),
        page("/applying/{token}/{step}", applying.show_step, public),
        page("/applying/{token}/{step}", applying.save_step, public, methods=_POST),
    ]


def _applications() -> list[Route]:
    """What was sent, and whether it may go to the panel."""
    read, judge = Action.READ_APPLICATIONS, Action.JUDGE_APPLICATIONS
    return [
        page("/rounds/{id}/applications", applications.show_all, read),
        page("/applications/{id}", applications.show, read),
        page("/applications/{id}/accept", applications.accept, judge, methods=_POST),
        page("/applications/{id}/refuse", applications.refuse, judge, methods=_POST),
        page("/applications/{id}/return", applications.give_back, judge, methods=_POST),
        page("/evidence/{id}", applications.give_evidence, read),
    ]


def _panel() -> list[Route]:
    """Who sits on the panel of a round, who is too close to whom, and what the panel reads."""
    read, keep = Action.READ_APPLICATIONS, Action.KEEP_PANEL
    return [
        page("/rounds/{id}/panel", panel.show, read),
        page("/rounds/{id}/panel", panel.invite, keep, methods=_POST),
        page("/rounds/{id}/panel/{person}", panel.show_member, read),
        page("/rounds/{id}/panel/{person}", panel.change, keep, methods=_POST),
        page("/rounds/{id}/panel/{person}/again", panel.invite_again, keep, methods=_POST),
        page("/rounds/{id}/panel/{person}/leave", panel.leave, keep, methods=_POST),
        page("/rounds/{id}/conflicts", conflicts.show_all, read),
        page("/conflicts/{id}", conflicts.show, read),
        page("/conflicts/{id}/confirm", conflicts.confirm, keep, methods=_POST),
        page("/conflicts/{id}/dismiss", conflicts.dismiss, keep, methods=_POST),
        page("/conflicts/{id}/uphold", conflicts.uphold, Action.RECORD_DECISIONS, methods=_POST),
        page("/applications/{id}/conflicts", conflicts.show_of, read),
        page("/applications/{id}/conflicts", conflicts.enter, keep, methods=_POST),
        page("/rounds/{id}/cases", cases.show_all, read),
        page("/rounds/{id}/cases/hand-over", cases.hand_over_all, keep, methods=_POST),
        page("/rounds/{id}/comments", comments.show, read),
        page("/rounds/{id}/comments", comments.let_read, keep, methods=_POST),
        page("/applications/{id}/case", cases.show, read),
        page("/applications/{id}/case", cases.prepare, keep, methods=_POST),
        page("/applications/{id}/case/hand-over", cases.hand_over, keep, methods=_POST),
        page("/applications/{id}/case/take-back", cases.take_back, keep, methods=_POST),
    ]


def _desk() -> list[Route]:
    """What members of a panel are asked, read and say. Each reads the cases that they may see alone."""
    review = Action.REVIEW_CASES
    return [
        page("/desk", desk.show, review),
        page("/desk/interests", desk.show_interests, review),
        page("/desk/interests", desk.say_interests, review, methods=_POST),
        page("/desk/rounds/{id}/answer", desk.answer, review, methods=_POST),
        page("/desk/cases/{id}", reviews.show, review),
        page("/desk/cases/{id}", reviews.save, review, methods=_POST),
        page("/desk/cases/{id}/know", reviews.know, review, methods=_POST),
    ]


def _awards() -> list[Route]:
    """What was awarded: how far each is, and what the officer does about it."""
    read, prepare = Action.READ_PAYMENTS, Action.PREPARE_PAYMENTS
    return [
        page("/awards/{id}", awards.show, read),
        page("/awards/{id}/booking", awards.confirm_booking, prepare, methods=_POST),
        page("/awards/{id}/invoice", awards.confirm_invoice, prepare, methods=_POST),
        page("/awards/{id}/proof", awards.return_proof, prepare, methods=_POST),
        page("/awards/{id}/payments", awards.prepare, prepare, methods=_POST),
        page("/awards/{id}/again", awards.commit_again, prepare, methods=_POST),
        page("/awards/{id}/give-up", awards.give_up, prepare, methods=_POST),
        page("/awards/{id}/exam", awards.move_exam, prepare, methods=_POST),
        page("/awards/{id}/waive", awards.waive, prepare, methods=_POST),
        page("/awards/{id}/receipt", awards.confirm_receipt, prepare, methods=_POST),
        page("/awards/{id}/outcome", awards.record_outcome, prepare, methods=_POST),
        page("/award-papers/{id}", awards.give_paper, Action.READ_APPLICATIONS),
    ]


def _payments() -> list[Route]:
    """What is to be paid, by whom, and what came back. Only whoever pays sees where it goes."""
    read, prepare, make = Action.READ_PAYMENTS, Action.PREPARE_PAYMENTS, Action.MAKE_PAYMENTS
    return [
        page("/payments", payments.show_all, read),
        page("/payments/bank-file", payments.download, make, methods=_POST),
        page("/payments/{id}", payments.show, read),
        page("/payments/{id}/invoices/{file}", payments.give_invoice, read),
        page("/payments/{id}/cancel", payments.cancel, prepare, methods=_POST),
        page("/payments/{id}/returned", payments.come_back, prepare, methods=_POST),
        page("/payments/{id}/came-back", payments.come_back, make, methods=_POST),
        page("/payments/{id}/make", payments.show_making, make),
        page("/payments/{id}/make", payments.make, make, methods=_POST),
        page("/payments/{id}/send-back", payments.send_back, make, methods=_POST),
    ]


def _shown() -> list[Route]:
    """What is shown of awards: to everybody, and how each decision came about."""
    public, look, read = Action.BE_PUBLIC, Action.READ_APPLICATIONS, Action.READ_EVIDENCE
    return [
        page("/data", published.show, public),
        page("/360giving.json", published.as_json, public),
        page("/360giving.csv", published.as_csv, public),
        page("/figures", figures.show, read),
        page("/figures.csv", figures.as_csv, read),
        page("/funds/{id}/report", funder_reports.show, look),
        page("/funds/{id}/report.pdf", funder_reports.as_pdf, look),
        page("/funds/{id}/report.csv", funder_reports.as_csv, look),
        page("/applications/{id}/dossier", dossiers.show, look),
        page("/applications/{id}/dossier.json", dossiers.as_json, look),
        page("/applications/{id}/dossier.pdf", dossiers.as_pdf, look),
    ]


def _meeting() -> list[Route]:
    """A meeting of a panel, and publishing what was decided."""
    keep, decide, read = Action.KEEP_PANEL, Action.RECORD_DECISIONS, Action.READ_APPLICATIONS
    return [
        page("/rounds/{id}/meetings", meeting.begin, decide, methods=_POST),
        page("/rounds/{id}/publish", publishing.show, read),
        page("/rounds/{id}/publish", publishing.publish, decide, methods=_POST),
        page("/meetings/{id}", meeting.show, read),
        page("/meetings/{id}/changes", meeting.follow, read),
        page("/meetings/{id}/screen", meeting.show_screen, keep),
        page("/meetings/{id}/simulation", simulation.simulate, keep),
        page("/meetings/{id}/minutes.pdf", minutes.give_whole, read),
        page("/meetings/{id}/attendance", meeting.attend, keep, methods=_POST),
        page("/meetings/{id}/open", meeting.open_item, keep, methods=_POST),
        page("/meetings/{id}/reserve", meeting.call_reserve, keep, methods=_POST),
        page("/meetings/{id}/decide", meeting.decide, decide, methods=_POST),
        page("/meetings/{id}/end", meeting.end, decide, methods=_POST),
    ]


def _attending() -> list[Route]:
    """A meeting as a member sees it."""
    review = Action.REVIEW_CASES
    return [
        page("/attend/{id}", attending.show, review),
        page("/attend/{id}/changes", attending.follow, review),
        page("/attend/{id}/here", attending.say_here, review, methods=_POST),
        page("/attend/{id}/minutes.pdf", minutes.give_own, review),
    ]
