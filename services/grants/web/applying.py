"""What somebody who applies sees behind their link: the form in short steps, then where it stands.

No account; looking changes nothing. The token is compared by digest and stands in no log, metric or Referer,
and no answer that holds one is kept. Whatever is wrong with a link, the answer is the same page.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from chassis.context import Context
from chassis.database import Transaction
from chassis.errors import NotFound, Refused
from chassis.house import Entry, House, word
from chassis.web import (
    JPEG,
    PDF,
    PNG,
    day,
    fault_of,
    new_key,
    once,
    pounds,
    private,
    read_form,
    read_upload,
    see,
    site_of,
    size_in_words,
    unknown_link,
)
from chassis.web.access import acts, check_key
from chassis.writing import mailable
from services.grants import applying, awards, conflicts, panel
from services.grants.applicants import Applicant, applicant_of
from services.grants.applying import ASKED_FOR, LARGEST_EVIDENCE, MOST_FILES, Asked, Writing, lacking
from services.grants.awards import Award, award_of
from services.grants.languages import languages_offered
from services.grants.queries import APPLICATIONS, ROUNDS
from services.grants.rounds import Round
from services.grants.states import STAGES, Mover, State
from services.grants.web.awarded import offered
from services.grants.web.forms import Fields, read_language
from services.grants.web.frame import frame
from services.grants.web.hrefs import APPLYING, apply_href
from services.grants.web.looks import LOOKS

#: The steps with a form of fields, in order, and what each is called. After them come papers, then sending.
STEPS: Mapping[str, str] = {
    "you": "Who you are",
    "work": "Your work",
    "exam": "What you apply for",
}
EVIDENCE = "evidence"
_ALL = (*STEPS, EVIDENCE)
_TITLES = {**STEPS, EVIDENCE: "Your papers"}

_DONE = {
    "begun": "We have sent your own link to your e-mail address. You can go on at once.",
    "kept": "Your answers are kept. Use your link to go on later.",
    "moved": "We have sent a new link to your new e-mail address. Older links no longer work.",
    "early": "Kept. Please note: your exam is before the panel meets, so the money may come too late for it.",
    "over": "Kept. Please note: the day of your exam has gone by. If it is wrong, go back and put it right.",
    "added": "The paper is added.",
    "removed": "The paper is deleted.",
    "sent": "Thank you. We have your application, and we have sent you a mail that says so.",
    "known": "Thank you. It is kept whom you know on the panel.",
    "withdrawn": "You have taken your application back.",
    "declined": "You have said no to the money. Somebody else can have it now.",
}

#: Fields of which several may be ticked.
_SEVERAL = ("knows",)

_YES_NO = {"yes": True, "no": False}


def step_href(token: str, step: str = "") -> str:
    """A step of the form behind a link; the first page when none is named."""
    return f"{APPLYING}/{token}/{step}".rstrip("/")


class _Case:
    """An application as its pages need it."""

    def __init__(
        self,
        row: Any,
        round_row: Any,
        who: Applicant | None,
        evidence: Sequence[Any],
        told: str,
        members: Mapping[UUID, str],
        knows: Collection[UUID],
        award: Award | None,
        languages: Sequence[Entry],
    ):
        self.row = row
        self.round_row = round_row
        self.state = State(row["state"])
        self.plan = Round.of(round_row)
        self.asked = Asked.of(row)
        self.who = who or Applicant(email="")
        self.evidence = evidence
        #: What they were told last.
        self.told = told
        #: The panel by name, and whom of it they say that they know.
        self.members = members
        self.knows = knows
        self.award = award
        #: In which they may be written to, besides English.
        self.languages = languages

    def may_write(self, context: Context) -> bool:
        return applying.may_write(self.state, self.round_row, context.clock.today())

    def may_say_known(self, context: Context) -> bool:
        return applying.may_say_known(self.state, self.round_row, context.clock.today())

    @property
    def lacking(self) -> list[applying.Lacking]:
        return lacking(self.asked, self.who, self.plan.eligibility)


async def _find(request: Request) -> _Case | None:
    async with site_of(request).database.reading() as tx:
        found = await applying.by_token(tx, request.path_params["token"])
        if found is None:
            return None
        row = await APPLICATIONS.application_by_id(tx, id=found["id"])
        round_row = await ROUNDS.round_by_id(tx, id=row["round_id"])
        steps = [each async for each in APPLICATIONS.steps_of(tx, application_id=row["id"])]
        told = steps[-1]["words"] if steps else ""
        evidence = await applying.evidence_of(tx, row["id"])
        who = await applicant_of(tx, row["id"])
        members = await panel.known_by_applicants(tx, row["round_id"])
        knows = await conflicts.ticked(tx, row["id"])
        award = await award_of(tx, row["id"])
        languages = await languages_offered(tx)
        return _Case(row, round_row, who, evidence, told, members, knows, award, languages)


# The first page: to be checked and sent, or where it stands


async def show(request: Request) -> Response:
    """What was written, what is missing, and what happens next.

    The bare link to what is not complete opens the first step that is not.
    """
    case, token = await _find(request), request.path_params["token"]
    if case is None:
        return unknown_link(request)
    unfinished = case.state is State.DRAFT and case.lacking and case.may_write(site_of(request).context)
    if unfinished and not request.url.query:
        return private(see(step_href(token, case.lacking[0].step)))
    return _overview(request, case)


def _overview(
    request: Request, case: _Case, *, status: int = 200, faults: Mapping[str, Any] | None = None
) -> Response:
    site, token = site_of(request), request.path_params["token"]
    stage, writes = STAGES[case.state], case.may_write(site.context)
    if case.state is State.WITHDRAWN and case.award is not None:
        stage = replace(stage, public="No money is paid for it", next="You need to do nothing more.")
    if case.state is State.AWARDED and case.award and site.context.clock.today() > case.award.answer_by:
        stage = replace(
            stage, public="You were offered money", next="The day to say yes has gone by: ring us."
        )
    return private(
        site.page(
            request,
            "applying.html",
            status=status,
            **frame(site.context, case.round_row),
            reference=case.row["reference"],
            sent_at=case.row["submitted_at"],
            writes=writes,
            draft=case.state is State.DRAFT,
            returned=case.state is State.RETURNED,
            over=case.state is State.DRAFT and not writes,
            stage=stage,
            look=LOOKS.get(case.state, "draft"),
            when=_when(case),
            message=case.told,
            groups=_answers(case, site.context.house, token),
            lacking=[
                {"words": it.words, "href": f"{step_href(token, it.step)}#{it.field}"} for it in case.lacking
            ],
            early=applying.before_meeting(case.asked, case.plan),
            gone_by=applying.gone_by(case.asked, site.context.clock.today()) and case.asked.exam_on,
            members=_members(case) if case.may_say_known(site.context) else [],
            knows=[str(id) for id in case.knows],
            papers=len(case.evidence),
            award=(award := offered(case.award, token, site.context.clock.today())),
            may_withdraw=award is None and stage.moves.get(State.WITHDRAWN) is Mover.APPLICANT,
            of=len(_ALL) + 1,
            faults=faults or {},
            key=new_key(request),
            flash=_DONE.get(request.query_params.get("done", "")),
        )
    )


def _when(case: _Case) -> str:
    """By when something happens, in a sentence; nothing where nothing does."""
    plan = case.plan
    if case.state is State.DRAFT:
        return f"The last day to send it is {day(plan.closes_on)}."
    if case.state is State.RETURNED:
        return f"Please send it before {day(plan.meets_on)}, when the panel meets."
    if case.state in (State.SUBMITTED, State.ELIGIBLE, State.UNDER_REVIEW):
        return f"The panel meets on {day(plan.meets_on)}."
    return ""


def _answers(case: _Case, house: House, token: str) -> list[dict[str, Any]]:
    """What was written, step by step, in words."""
    who, asked, rules = case.who, case.asked, case.plan.eligibility
    said = {
        "you": [
            ("Name", who.name),
            ("E-mail", who.email),
            ("Telephone", who.telephone),
            ("Address", who.address),
            *([("We write to you in", _language(case))] if case.languages else []),
            *([("You live in", _name(house, "areas", asked.area))] if "area" in rules else []),
        ],
        "work": [
            ("Profession", _name(house, "professions", asked.profession)),
            *_yes_no(rules, asked, "qualified_abroad", "You qualified outside the UK"),
            ("Your number with us", who.registration),
            ("You work or train at", who.workplace),
            *([("You know from the panel", _known(case))] if case.members else []),
        ],
        "exam": [
            ("Exam", _name(house, "purposes", asked.purpose)),
            ("Amount", pounds(asked.amount_pence) if asked.amount_pence else ""),
            ("Day of the exam", day(asked.exam_on) if asked.exam_on else ""),
            *_yes_no(rules, asked, "exam_ahead", "You have passed this exam"),
            *_yes_no(rules, asked, "status", "You have the status that the funder asks for"),
            ("Why you need the money", asked.words),
        ],
        EVIDENCE: [(f"Paper {n}", each["name"]) for n, each in enumerate(case.evidence, 1)],
    }
    return [
        {"title": _TITLES[step], "rows": rows, "href": step_href(token, step)} for step, rows in said.items()
    ]


def _members(case: _Case) -> list[dict[str, str]]:
    return [{"code": str(id), "name": name} for id, name in case.members.items()]


def _language(case: _Case) -> str:
    return {entry.code: entry.name for entry in case.languages}.get(case.who.language, "English")


def _known(case: _Case) -> str:
    return ", ".join(name for id, name in case.members.items() if id in case.knows) or "Nobody"


def _yes_no(rules: Sequence[str], asked: Asked, rule: str, label: str) -> list[tuple[str, str]]:
    words = {True: "Yes", False: "No", None: ""}
    return [(label, words[getattr(asked, ASKED_FOR[rule])])] if rule in rules else []


def _name(house: House, list: str, code: str | None) -> str:
    return word(house.lists[list], code)


async def act(request: Request) -> Response:
    """Send the application, take it back, or say whom of the panel one knows."""
    token, form = request.path_params["token"], await read_form(request)
    wanted, href, case = form.get("act"), step_href(token), await _find(request)
    if case is None:
        return unknown_link(request)
    if wanted not in ("send", "withdraw", "knows"):
        raise Refused("It is not said what to do.", "Go back and press one of the buttons.")

    fields = Fields(form, several=_SEVERAL)
    knows = _read_known(fields, case) if wanted == "knows" else None
    if fields.faults:
        return _overview(request, case, status=422, faults=fields.faults)

    async def act(tx: Transaction) -> Response:
        if wanted == "knows":
            await applying.say_known(tx, token, knows or [])
            return see(f"{href}?done=known")
        if form.get("confirm") != "yes":
            raise Refused(
                "The box is not ticked.", "Tick it, then press the button again.", field=str(wanted)
            )
        if wanted == "send":
            await applying.send(tx, token)
            return see(f"{href}?done=sent")
        stays = await awards.withdraw(tx, token)
        return see(f"{href}?done=withdrawn" if stays else f"{apply_href(case.row['round_id'])}?done=thrown")

    return await _acting(request, form, act)


async def _acting(request: Request, form: FormData, act: Callable[[Transaction], Any]) -> Response:
    """Act once, or show the first page again with what is wrong."""
    try:
        return private(await once(request, act))
    except NotFound:
        return unknown_link(request)
    except Refused as refused:
        case = await _find(request)
        if not refused.field or case is None:
            raise
        return _overview(request, case, status=refused.status, faults=fault_of(refused))


# The steps with fields


async def show_step(request: Request) -> Response:
    """One step of the form."""
    step, case = request.path_params["step"], await _find(request)
    if step not in STEPS:
        raise NotFound
    if case is None:
        return unknown_link(request)
    if not case.may_write(site_of(request).context):
        return private(see(step_href(request.path_params["token"])))
    return _step(request, case, step, _values(case), {})


async def save_step(request: Request) -> Response:
    """Keep one step and go on to the next, or show it again with every fault. Twice is as good as once."""
    step, token, case = request.path_params["step"], request.path_params["token"], await _find(request)
    if step not in STEPS:
        raise NotFound
    form = await read_form(request)
    if case is None:
        return unknown_link(request)
    check_key(request, str(form.get("key", "")))
    later = form.get("later") == "yes"
    fields, house = Fields(form, several=_SEVERAL), site_of(request).context.house
    of_who, changes = _READ[step](fields, case, house, not later)
    knows = _read_known(fields, case) if step == "work" else None
    moved, status = None, 422
    try:
        if not fields.faults:
            async with acts(request) as tx:
                at = await applying.writing(tx, token)
                moved = await _save(tx, at, of_who, changes)
                if knows is not None:
                    await conflicts.tick(tx, at.id, knows)
    except NotFound:
        return unknown_link(request)
    except Refused as refused:
        if not refused.field:
            raise
        fields.add(refused)
        status = refused.status
    if fields.faults:
        return _step(request, case, step, {**_values(case), **fields.values}, fields.faults, status=status)
    asked, today = replace(case.asked, **changes), site_of(request).context.clock.today()
    onward = _onward(case, step, moved or token, asked, today, later=later, moved=bool(moved))
    return private(see(onward))


async def _save(
    tx: Transaction, at: Writing, of_who: Mapping[str, str], changes: Mapping[str, Any]
) -> str | None:
    """Keep what one step says: two windows at two steps lose nothing of each other's."""
    await applying.save(tx, at, **changes)
    who = await applicant_of(tx, at.id) or Applicant(email="")
    return await applying.save_applicant(tx, at, replace(who, **of_who))


def _onward(
    case: _Case, step: str, token: str, asked: Asked, today: date, *, later: bool, moved: bool
) -> str:
    """Where a step that was kept leads, and with which word."""
    early = step == "exam" and applying.before_meeting(asked, case.plan)
    over = step == "exam" and applying.gone_by(asked, today)
    done = "moved" if moved else "over" if over else "early" if early else "kept" if later else ""
    next = "" if later else _ALL[_ALL.index(step) + 1]
    return step_href(token, next) + (f"?done={done}" if done else "")


def _step(
    request: Request,
    case: _Case,
    step: str,
    values: Mapping[str, Any],
    faults: Mapping[str, Any],
    *,
    status: int = 200,
) -> Response:
    site, token = site_of(request), request.path_params["token"]
    lists = site.context.house.lists
    return private(
        site.page(
            request,
            "applying_step.html",
            status=status,
            **frame(site.context, case.round_row),
            **_place(step, token),
            values=values,
            faults=faults,
            rules=case.plan.eligibility,
            professions=_professions(case, site.context.house),
            purposes=[lists["purposes"][code] for code in case.plan.purposes if code in lists["purposes"]],
            areas=list(lists["areas"].values()),
            members=_members(case),
            languages=case.languages,
            yes_no=[{"code": "yes", "name": "Yes"}, {"code": "no", "name": "No"}],
            returned=case.state is State.RETURNED,
            message=case.told,
            key=new_key(request),
            flash=_DONE.get(request.query_params.get("done", "")),
        )
    )


def _place(step: str, token: str) -> dict[str, Any]:
    """Where in the form somebody is."""
    number = _ALL.index(step)
    return {
        "step": step,
        "title": _TITLES[step],
        "number": number + 1,
        "of": len(_ALL) + 1,
        "href": step_href(token, step),
        "back_href": step_href(token, _ALL[number - 1]) if number else None,
        "overview_href": f"{step_href(token)}?all=yes",
    }


def _values(case: _Case) -> dict[str, Any]:
    """An application as its form holds it."""
    asked, words = case.asked, {True: "yes", False: "no", None: ""}
    return {
        **vars(case.who),
        "knows": [str(id) for id in case.knows],
        **{name: getattr(asked, name) or "" for name in ("area", "profession", "purpose", "words")},
        **{name: words[getattr(asked, name)] for name in ("qualified_abroad", "exam_passed", "status_met")},
        "amount": pounds(asked.amount_pence).removeprefix("£") if asked.amount_pence else "",
        "exam_on": asked.exam_on.isoformat() if asked.exam_on else "",
    }


#: What a step says of the applicant, and of what is asked for.
_Read = tuple[dict[str, str], dict[str, Any]]


def _read_you(fields: Fields, case: _Case, house: House, required: bool) -> _Read:
    email = fields.line("email", most=254)
    if email and not mailable(email):
        fields.add(
            Refused("This is not an e-mail address.", "Write it like name@mail.example.", field="email")
        )
    telephone = fields.line("telephone", most=40, required=required)
    if telephone and not 6 <= sum(map(str.isdecimal, telephone)) <= 20:
        fields.add(Refused("This is not a telephone number.", "Write it in figures.", field="telephone"))
    who = {
        "email": email,
        "name": fields.line("name", most=100, required=required),
        "telephone": telephone,
        "address": fields.words("address", most=300, required=False),
    }
    if case.languages:
        who["language"] = read_language(fields, case.languages)
    return who, _if_asked(case, "area", lambda: _chosen(fields, "area", house.lists["areas"], required))


def _read_work(fields: Fields, case: _Case, house: House, required: bool) -> _Read:
    who = {
        "registration": fields.line("registration", most=60, required=False),
        "workplace": fields.line("workplace", most=200, required=False),
    }
    offered = {entry.code: entry for entry in _professions(case, house)}
    profession = _chosen(fields, "profession", offered, required)
    abroad = _if_asked(case, "qualified_abroad", lambda: _answered(fields, "qualified_abroad", required))
    return who, {"profession": profession, **abroad}


def _professions(case: _Case, house: House) -> list[Entry]:
    """Those that the round is for, and what was chosen before."""
    wanted = {*case.plan.professions, case.asked.profession}
    return [entry for code, entry in house.lists["professions"].items() if code in wanted]


def _read_known(fields: Fields, case: _Case) -> list[UUID] | None:
    """Whom of the panel they know; nothing is said where there is no panel yet."""
    if not case.members:
        return None
    ticked = fields.codes("knows", map(str, case.members))
    hidden = [id for id in case.knows if id not in case.members]
    return [*map(UUID, ticked), *hidden]


def _read_exam(fields: Fields, case: _Case, house: House, required: bool) -> _Read:
    most, pence = case.plan.most_pence or 0, fields.pounds("amount", required=required)
    if pence is not None and pence > most:
        what, cure = "This is more than one person can get.", f"Write {pounds(most)} or less."
        fields.add(Refused(what, cure, field="amount"))
    offered = {code: house.lists["purposes"].get(code) for code in case.plan.purposes}
    return {}, {
        "purpose": _chosen(fields, "purpose", offered, required),
        "amount_pence": pence,
        "exam_on": fields.day("exam_on", required=False),
        "words": fields.words("words", required=required),
        **_if_asked(case, "exam_ahead", lambda: _answered(fields, "exam_passed", required)),
        **_if_asked(case, "status", lambda: _answered(fields, "status_met", required)),
    }


_READ: Mapping[str, Callable[[Fields, _Case, House, bool], _Read]] = {
    "you": _read_you,
    "work": _read_work,
    "exam": _read_exam,
}


def _if_asked(case: _Case, rule: str, read: Callable[[], Any]) -> dict[str, Any]:
    """What is asked only in a round with this rule; nothing in others, whatever was sent."""
    return {ASKED_FOR[rule]: read()} if rule in case.plan.eligibility else {}


def _chosen(fields: Fields, name: str, known: Mapping[str, Entry | None], required: bool) -> str | None:
    """A code of a list."""
    if not required and not fields.values.get(name):
        return None
    code: str | None = fields.one_of(name, {code: code for code in known})
    return code


def _answered(fields: Fields, name: str, required: bool) -> bool | None:
    """Yes or no."""
    if not required and not fields.values.get(name):
        return None
    answer: bool | None = fields.one_of(name, _YES_NO)
    return answer


# Papers


async def show_evidence(request: Request) -> Response:
    """The papers that were added, by name; nobody can open them here."""
    case = await _find(request)
    if case is None:
        return unknown_link(request)
    if not case.may_write(site_of(request).context):
        return private(see(step_href(request.path_params["token"])))
    return _papers(request, case, {})


def _papers(request: Request, case: _Case, faults: Mapping[str, Any], *, status: int = 200) -> Response:
    site = site_of(request)
    return private(
        site.page(
            request,
            "applying_evidence.html",
            status=status,
            **frame(site.context, case.round_row),
            **_place(EVIDENCE, request.path_params["token"]),
            papers=[{**each, "size_words": size_in_words(each["size"])} for each in case.evidence],
            most=MOST_FILES,
            largest=size_in_words(LARGEST_EVIDENCE),
            full=len(case.evidence) >= MOST_FILES,
            faults=faults,
            returned=case.state is State.RETURNED,
            message=case.told,
            key=new_key(request),
            flash=_DONE.get(request.query_params.get("done", "")),
        )
    )


async def change_evidence(request: Request) -> Response:
    """Add a paper, or delete one."""
    token, form = request.path_params["token"], await read_form(request)
    href = step_href(token, EVIDENCE)

    async def add(tx: Transaction) -> Response:
        upload = await read_upload(form, "file", (PDF, JPEG, PNG), most=LARGEST_EVIDENCE)
        if upload is None:
            raise Refused("No file was chosen.", "Choose a file, then press the button.", field="file")
        told = {"name": upload.name, "media_type": upload.kind.media_type}
        await applying.add_evidence(tx, await applying.writing(tx, token), **told, content=upload.parts())
        return see(f"{href}?done=added")

    async def remove(tx: Transaction) -> Response:
        await applying.remove_evidence(tx, await applying.writing(tx, token), _id(form.get("remove")))
        return see(f"{href}?done=removed")

    try:
        act = remove if "remove" in form else add
        return private(await once(request, act))
    except NotFound:
        return unknown_link(request)
    except Refused as refused:
        case = await _find(request)
        if not refused.field or case is None:
            raise
        return _papers(request, case, fault_of(refused), status=refused.status)


def _id(text: object) -> UUID:
    try:
        return UUID(str(text))
    except ValueError:
        raise NotFound from None
