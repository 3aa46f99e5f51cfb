"""What each kind of message says, in each language: as it comes with the program, or as staff say it.

Words that a message was written with stay in the database, ours too, so that one can see later what it said.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from chassis.audit import digest_of, note
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound, Refused
from chassis.outbox import announce
from contracts.notifications import LettersTranslated
from services.notifications.composing import Look
from services.notifications.notices.kinds import KINDS, Kind
from services.notifications.plans import text_faults
from services.notifications.queries import NOTICES
from services.notifications.wording import Rules, check_template

#: What is said where there is no translation, and to whoever has chosen none.
ENGLISH = "en"

_FOLDER = Path(__file__).parent / "words"
_SUBJECT = "Subject: "


@dataclass(frozen=True)
class Words:
    """What a message says, with fields in braces."""

    subject: str
    body: str


@dataclass(frozen=True)
class Chosen:
    """The words that one message is written with."""

    language: str
    version: int
    words: Words
    #: Whether that version stands in the database.
    is_kept: bool


@cache
def ours(kind: str, language: str) -> Words | None:
    """What comes with the program; nothing where that is not translated."""
    if language not in our_languages():
        return None
    file = _FOLDER / language / f"{kind}.txt"
    if not file.is_file():
        return None
    subject, _, body = file.read_text(encoding="utf-8").partition("\n\n")
    return Words(subject.removeprefix(_SUBJECT), body.strip())


@cache
def our_languages() -> tuple[str, ...]:
    """The languages in which something comes with the program."""
    return tuple(sorted(folder.name for folder in _FOLDER.iterdir() if folder.is_dir()))


@cache
def rules_of(kind: Kind) -> Rules:
    """Which fields the words of a kind may name, and how."""
    return Rules(
        known=kind.known,
        asked_only=tuple(field.name for field in kind.fields if field.asked_only),
        needed=tuple(field.name for field in kind.fields if field.needed),
        private=tuple(field.name for field in kind.fields if field.private),
    )


def faults_of(kind: Kind, words: Words) -> Iterator[Refused]:
    """What has to be mended in words before anybody can be written to with them, each with its place."""
    texts = {"subject": words.subject, "body": words.body}
    for field, text in texts.items():
        yield from text_faults(field, text, multiline=field == "body")
    if all(texts.values()):
        for fault in check_template(words.body, words.subject, rules_of(kind)):
            yield Refused(fault.words, fault.place, field=fault.part)


def in_force(kind: Kind, language: str, newest: Mapping[str, Any] | None) -> Words | None:
    """What a kind says now in a language; nothing where it says nothing.

    Words of staff that name what there is no longer, because the program has changed, give way to ours.

    Args:
        newest: the newest version that is kept.
    """
    if newest is not None and not kind.fixed:
        if newest["whose"] == "nobody":
            return None
        theirs = Words(newest["subject"], newest["body"])
        if newest["whose"] == "theirs" and not any(faults_of(kind, theirs)):
            return theirs
    return ours(kind.code, language)


def asked_in(words: Words) -> list[str]:
    """The fields on which something depends in these words, in their order."""
    return list(dict.fromkeys(re.findall(r"\{if ([a-z_]+)\}", words.subject + words.body)))


async def choose(tx: Transaction, kind: Kind, language: str) -> Chosen:
    """The words to write to somebody with: in their language where there are some, or else in English.

    Ours are entered as a version when they are first used, and when a release has changed them.
    """
    chosen = await _choose(tx, kind, language)
    if chosen.is_kept:
        return chosen
    await NOTICES.lock_languages(tx)  # staff may be writing a version just now
    chosen = await _choose(tx, kind, language)
    if not chosen.is_kept:
        await _enter(tx, kind, chosen.language, chosen.version, "ours", chosen.words, None)
    return chosen


async def _choose(tx: Transaction, kind: Kind, language: str) -> Chosen:
    languages = [language, ENGLISH]
    newest = await _newest(tx, kind, languages)
    for each in languages:
        last = newest.get(each)
        words = in_force(kind, each, last)
        if words is not None:
            kept = last is not None and Words(last["subject"], last["body"]) == words
            version = (last["version"] if last else 0) + (0 if kept else 1)
            return Chosen(each, version, words, kept)
    raise LookupError(f"there are no words for {kind.code}")


async def _newest(tx: Transaction, kind: Kind, languages: list[str]) -> dict[str, Any]:
    rows = NOTICES.newest_words(tx, kind=kind.code, languages=languages)
    return {row["language"]: row async for row in rows}


async def _enter(
    tx: Transaction, kind: Kind, language: str, version: int, whose: str, words: Words, by: UUID | None
) -> None:
    said = {"whose": whose, "subject": words.subject, "body": words.body, "by": by}
    await NOTICES.enter_words(tx, kind=kind.code, language=language, version=version, **said, now=tx.now)


# Staff


async def keep(tx: Transaction, kind: Kind, language: str, words: Words, by: UUID, look: Look) -> None:
    """Let a kind say something else from now on.

    Raises:
        Conflict: when nobody may.
        Refused: names the first field at fault.
    """
    _check_may(kind)
    for fault in faults_of(kind, words):
        raise fault
    await _change(tx, kind, language, "theirs", words, by, look)


async def restore(tx: Transaction, kind: Kind, language: str, by: UUID, look: Look) -> None:
    """Let a kind say again what comes with the program; nothing in a language in which nothing does.

    Raises:
        Conflict: when nobody may.
    """
    _check_may(kind)
    words = ours(kind.code, language)
    whose = "ours" if words else "nobody"
    await _change(tx, kind, language, whose, words or Words("", ""), by, look)


def _check_may(kind: Kind) -> None:
    if kind.fixed:
        raise Conflict("Nobody can change these words.", kind.fixed)


async def _change(
    tx: Transaction, kind: Kind, language: str, whose: str, words: Words, by: UUID, look: Look
) -> None:
    await NOTICES.lock_languages(tx)
    newest = (await _newest(tx, kind, [language])).get(language)
    now = in_force(kind, language, newest)
    version = newest["version"] if newest else 0
    look({"version": version, "subject": now.subject if now else "", "body": now.body if now else ""})
    if newest and (newest["whose"], newest["subject"], newest["body"]) == (whose, words.subject, words.body):
        return
    first = ours(kind.code, language)
    if newest is None and first and whose == "theirs":  # so that one sees later what was changed
        version = 1
        await _enter(tx, kind, language, version, "ours", first, None)
    await _enter(tx, kind, language, version + 1, whose, words, by)
    digests = {"words": digest_of(tx, words.body), "language": language, "version": version + 1}
    note(tx, f"notice_words_{whose}", "notice", kind.code, after=digests)
    await _tell_languages(tx)


async def _tell_languages(tx: Transaction) -> None:
    """Announce in which languages something is said, when these are others than before."""
    languages = [row["language"] async for row in NOTICES.languages_written(tx)]
    version = await NOTICES.set_languages(tx, languages=languages)
    if version is not None:
        await announce(tx, LettersTranslated, subject="languages", sequence=version, languages=languages)


def kind_of(code: str) -> Kind:
    """The kind of this name.

    Raises:
        NotFound: when there is none.
    """
    if code not in KINDS:
        raise NotFound
    return KINDS[code]
