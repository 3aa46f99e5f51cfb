"""What messages to one person say: all kinds, each in its languages, to be changed and to be put back.

Nobody is written to from here: what is changed is said to whoever is written to next.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.house import House
from chassis.web import (
    Difference,
    Faults,
    add_faults,
    base_of,
    meanwhile,
    new_key,
    once,
    read_base,
    read_form,
    read_revision,
    see,
    signed_in,
    site_of,
)
from services.notifications.colleagues import called
from services.notifications.hrefs import NOTICES as PAGE
from services.notifications.hrefs import notice_href
from services.notifications.notices.kinds import GROUPS, KINDS, Kind
from services.notifications.notices.looks import parts_of, render_page
from services.notifications.notices.versions import (
    ENGLISH,
    Words,
    asked_in,
    faults_of,
    in_force,
    keep,
    kind_of,
    our_languages,
    ours,
    restore,
)
from services.notifications.notices.writing import Value, direction, house_values, merged
from services.notifications.queries import NOTICES
from services.notifications.web.compose import ChangedMeanwhile, Values, unless_changed
from services.notifications.web.letter import LETTER_POLICY
from services.notifications.web.words import MOST_VERSIONS, fault_shown, said_of, with_changes

_LABELS = {"subject": "Subject", "body": "Text"}

_DONE = {
    "kept": "Saved. Whoever is written to from now on reads these words.",
    "ours": "These are the words that come with Conduit again.",
    "nobody": "The translation is not used any more. Its versions are kept.",
}

#: Where samples of links lead, until they are shown: then to this installation.
_SAMPLES = "https://conduit.example"


@dataclass(frozen=True)
class _Place:
    """A kind of message in one language, and what is known of it."""

    kind: Kind
    language: str
    #: What people call the language.
    name: str
    #: The newest version that is kept; nothing while there is none.
    newest: Any
    #: The newest version in each language.
    by_language: Mapping[str, Any]

    @property
    def version(self) -> int:
        return self.newest["version"] if self.newest else 0

    @property
    def now(self) -> Words | None:
        """What is said now."""
        return in_force(self.kind, self.language, self.newest)

    @property
    def values(self) -> Values:
        return vars(self.now or Words("", "")).copy()


async def _place(tx: Transaction, request: Request) -> _Place:
    """Which words an address is about.

    Raises:
        NotFound: when there is no such kind, or nobody here knows the language.
    """
    kind, language = kind_of(request.path_params["kind"]), request.path_params["language"]
    house = tx.context.house
    if language != ENGLISH and language not in house.lists["languages"]:
        raise NotFound
    languages = list({ENGLISH, *house.lists["languages"]})
    rows = NOTICES.newest_words(tx, kind=kind.code, languages=languages)
    newest = {row["language"]: row async for row in rows}
    return _Place(kind, language, _name(house, language), newest.get(language), newest)


def _name(house: House, language: str) -> str:
    entries = house.lists["languages"]
    return entries[language].name if language in entries else {ENGLISH: "English"}.get(language, language)


# All kinds


async def show_all(request: Request) -> Response:
    """Every kind of message, by whom it goes to."""
    site = site_of(request)
    async with site.database.reading() as tx:
        rows = [row async for row in NOTICES.all_newest_words(tx)]
        used = {row["kind"]: row["used_at"] async for row in NOTICES.last_used(tx, kinds=list(KINDS))}
        names = await called(tx, [row["written_by"] for row in rows])
    newest = {(row["kind"], row["language"]): row for row in rows}
    house = site.context.house
    response: Response = site.page(
        request,
        "notices.html",
        groups=[
            {
                "code": code,
                "name": name,
                "kinds": [
                    _listed(house, kind, newest, used[kind.code], names)
                    for kind in KINDS.values()
                    if kind.to == code
                ],
            }
            for code, name in GROUPS.items()
        ],
    )
    return response


def _listed(
    house: House, kind: Kind, newest: Mapping[Any, Any], used_at: Any, names: Mapping[UUID | None, str]
) -> Any:
    english = newest.get((kind.code, ENGLISH))
    said = [
        language
        for language in dict.fromkeys([*our_languages(), *(language for _, language in newest)])
        if language in house.lists["languages"].keys() - {ENGLISH}
        and in_force(kind, language, newest.get((kind.code, language)))
    ]
    changed = english if english and english["whose"] == "theirs" and not kind.fixed else None
    return {
        "name": kind.name,
        "when": kind.when,
        "fixed": bool(kind.fixed),
        "href": notice_href(kind.code, ENGLISH),
        "changed_at": changed["written_at"] if changed else None,
        "changed_by": names[changed["written_by"]] if changed else None,
        "languages": [
            {"name": _name(house, language), "href": notice_href(kind.code, language)} for language in said
        ],
        "used_at": used_at,
    }


# One kind in one language


async def choose_language(request: Request) -> Response:
    """Go to a kind in the language that was chosen."""
    kind, language = kind_of(request.path_params["kind"]), request.query_params.get("language", ENGLISH)
    if language != ENGLISH and language not in site_of(request).context.house.lists["languages"]:
        raise NotFound
    return see(notice_href(kind.code, language))


async def show(request: Request) -> Response:
    """What a kind says in a language, to be changed."""
    async with site_of(request).database.reading() as tx:
        place = await _place(tx, request)
    return _page(request, place, place.values, {})


async def check(request: Request) -> Response:
    """The same page with what is typed, what is wrong with it and how it would read. Nothing is kept."""
    form = await read_form(request)
    async with site_of(request).database.reading() as tx:
        place = await _place(tx, request)
    revision, base = read_revision(form), read_base(form)
    return _page(request, place, _typed(form), {}, form=form, revision=revision, base=base)


async def save(request: Request) -> Response:
    """Keep what was typed; or say again what comes with the program."""
    form, by = await read_form(request), signed_in(request).id
    back, revision, base = form.get("back") == "yes", read_revision(form), read_base(form)
    async with site_of(request).database.reading() as tx:
        place = await _place(tx, request)
    kind, language, typed = place.kind, place.language, _typed(form)
    words = Words(**typed)
    faults = {} if back else _faults(kind, words)
    if faults:
        return _page(request, place, typed, faults, 422, form=form, revision=revision, base=base)
    look = unless_changed(revision, base, base if back else typed, _LABELS, _values_of)

    async def act(tx: Transaction) -> Response:
        if back:
            await restore(tx, kind, language, by, look)
            return see(f"{_href(place)}?done={'ours' if ours(kind.code, language) else 'nobody'}")
        await keep(tx, kind, language, words, by, look)
        return see(f"{_href(place)}?done=kept")

    try:
        return await once(request, act)
    except ChangedMeanwhile as changed:
        async with site_of(request).database.reading() as tx:
            place = await _place(tx, request)
        yours = changed.theirs if back else typed
        noted = ("notice_words_ours", "notice_words_theirs", "notice_words_nobody")
        differing = () if back else changed.differences
        found = await meanwhile(request, differing, kind.code, *noted, language=language)
        return _page(request, place, yours, {}, 409, form=form, base=changed.theirs, changed=found)


def _typed(form: FormData) -> Values:
    return {name: str(form.get(name, "")).strip().replace("\r\n", "\n") for name in _LABELS}


def _values_of(row: Any) -> Values:
    return {name: row[name] for name in _LABELS}


def _href(place: _Place, page: str = "") -> str:
    return notice_href(place.kind.code, place.language, page)


def _faults(kind: Kind, words: Words) -> Faults:
    found = Faults()
    add_faults(found, faults_of(kind, words))
    return found


def _page(
    request: Request,
    place: _Place,
    typed: Values,
    faults: Faults,
    status: int = 200,
    *,
    form: FormData | None = None,
    revision: int | None = None,
    base: Values | None = None,
    changed: Sequence[Difference] = (),
) -> Response:
    site, kind, now = site_of(request), place.kind, place.now
    english = in_force(kind, ENGLISH, place.by_language.get(ENGLISH))
    written = place.newest is not None and place.newest["whose"] == "theirs"
    response: Response = site.page(
        request,
        "notice.html",
        status=status,
        kind=kind,
        group=GROUPS[kind.to],
        language=place.language,
        language_name=place.name,
        runs=direction(typed["body"]) if typed["body"] else "auto",
        href=_href(place),
        list_href=PAGE,
        tabs=_tabs(site.context.house, place),
        others=_others(site.context.house, place),
        said=now is not None,
        english=english if place.language != ENGLISH else None,
        written=written,
        out_of_date=written and now != Words(place.newest["subject"], place.newest["body"]),
        has_ours=ours(kind.code, place.language) is not None,
        version=place.version,
        values=typed,
        faults=faults,
        changed=changed,
        check=_checked(site.context, place, typed, form),
        revision=place.version if revision is None else revision,
        base=base_of(place.values if base is None else base),
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )
    return response


def _tabs(house: House, place: _Place) -> list[dict[str, Any]]:
    """English, every language in which it is said, and the one that is looked at."""
    known = [ENGLISH, *(code for code in house.lists["languages"] if code != ENGLISH)]
    shown = [
        code
        for code in known
        if code in (ENGLISH, place.language) or in_force(place.kind, code, place.by_language.get(code))
    ]
    return [
        {
            "name": _name(house, code),
            "href": notice_href(place.kind.code, code),
            "here": code == place.language,
        }
        for code in shown
    ]


def _others(house: House, place: _Place) -> list[Any]:
    """The languages in which it is not said yet."""
    return [
        entry
        for code, entry in house.lists["languages"].items()
        if code not in (ENGLISH, place.language)
        and not in_force(place.kind, code, place.by_language.get(code))
    ]


def _checked(context: Any, place: _Place, typed: Values, form: FormData | None) -> dict[str, Any]:
    """What the page says of the words: what is wrong with them, or how they would arrive."""
    words = Words(**typed)
    if not (words.subject or words.body):
        return {}
    wrong = [fault_shown(each) for each in faults_of(place.kind, words)]
    if wrong:
        return {"faults": wrong, "say": said_of(len(wrong)), "preview": None}
    asked = _asked(place.kind, words, form)
    said = merged(place.kind, words, place.language, _samples(context, place.kind, asked))
    return {
        "faults": [],
        "say": said_of(0),
        "preview": {
            "subject": said.subject,
            "runs": direction(words.body),
            "parts": list(parts_of(said.body, direction(words.body), context.settings.origin)),
            "asked": [
                {"name": name, "says": place.kind.known[name], "ticked": so} for name, so in asked.items()
            ],
        },
    }


def _asked(kind: Kind, words: Words, form: FormData | None) -> dict[str, bool]:
    """Each field on which something depends, and whether the sample has it."""
    shown = set(form.getlist("shown")) if form is not None else set()
    ticked = set(form.getlist("so")) if form is not None else set()
    samples = kind.samples
    return {
        name: name in ticked if name in shown else bool(samples[name]) or name.startswith("house_")
        for name in asked_in(words)
    }


def _samples(context: Any, kind: Kind, asked: Mapping[str, bool]) -> dict[str, Value]:
    """Values as they could be; none of what does not hold."""
    values: dict[str, Value] = {**kind.samples, **house_values(context.house)}
    if "link" in values:
        values["link"] = str(values["link"]).replace(_SAMPLES, context.settings.origin)
    for name, so in asked.items():
        values[name] = (values[name] or True) if so else ""
    return values


async def as_mail(request: Request) -> Response:
    """What is said now, as mail programs show it, in a sandbox."""
    context = site_of(request).context
    async with site_of(request).database.reading() as tx:
        place = await _place(tx, request)
    if place.now is None:
        raise NotFound
    asked = _asked(place.kind, place.now, None)
    said = merged(place.kind, place.now, place.language, _samples(context, place.kind, asked))
    return Response(
        render_page(
            said.subject, said.body, place.language, direction(place.now.body), context.settings.origin
        ),
        media_type="text/html; charset=utf-8",
        headers={"content-security-policy": LETTER_POLICY},
    )


async def versions(request: Request) -> Response:
    """All versions, newest first, each with what is other than before and how many read it."""
    async with site_of(request).database.reading() as tx:
        place = await _place(tx, request)
        asked = {"kind": place.kind.code, "language": place.language, "most": MOST_VERSIONS + 1}
        found = [row async for row in NOTICES.versions_of_words(tx, **asked)]
        names = await called(tx, [row["written_by"] for row in found])
    shown = [
        {
            "number": row["version"],
            "whose": row["whose"],
            "who": names[row["written_by"]],
            "at": row["written_at"],
            "used": row["used"],
            "used_at": row["used_at"],
            "is_first": row["version"] == 1,
            "lines": lines,
        }
        for row, lines in with_changes(found)
    ]
    response: Response = site_of(request).page(
        request,
        "notice_versions.html",
        kind=place.kind,
        language=place.language,
        language_name=place.name,
        href=_href(place),
        list_href=PAGE,
        versions=shown[:MOST_VERSIONS],
    )
    return response
