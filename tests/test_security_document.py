"""docs/security.md is true: it speaks of every requirement once, and what it names is there.

``asvs_5_0_0.csv`` beside this file holds the numbers of OWASP ASVS 5.0.0 with their levels, and no text.
"""

import ast
import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chassis.config import PREFIX, Settings
from chassis.log import FIELDS
from tests.test_architecture import imports, named, none_of, parsed, walk, within

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "security.md"

MET, DOES_NOT_APPLY, NOT_MET = "What is met", "What does not apply", "What is not met"

_NUMBER = re.compile(r"\d{1,2}\.\d{1,2}\.\d{1,2}")
_TEST = re.compile(r"`(tests/[\w/]+\.py)::([\w:]+)`")

#: Whatever can sign, seal, digest or draw lots.
_CRYPTOGRAPHY = ("hashlib", "hmac", "secrets", "nacl", "cryptography", "jwt", "pyotp")


class Row(NamedTuple):
    """A row of a table, with the chapter and the room that it stands in."""

    chapter: str
    room: str
    cells: tuple[str, ...]


@cache
def document() -> str:
    return DOCUMENT.read_text(encoding="utf-8")


@cache
def rows() -> tuple[Row, ...]:
    """Every row of every table, without the heads."""
    found: list[Row] = []
    chapter = room = above = ""
    for line in document().splitlines():
        if line.startswith("## "):
            chapter, room = line[3:], ""
        elif line.startswith("### "):
            room = line[4:]
        elif line.startswith("| ---"):
            found.pop()
        elif line.startswith("|"):
            found.append(Row(chapter, room, tuple(cell.strip() for cell in line.strip("| ").split(" | "))))
        elif above.startswith("|") and line.strip():
            raise AssertionError(f"An empty line is missing after a table: {above[:60]}")
        above = line
    return tuple(found)


def within_chapter(chapter: str, room: str = "") -> list[Row]:
    found = [row for row in rows() if row.chapter == chapter and room in ("", row.room)]
    assert found, f"docs/security.md has no table under “{chapter}” {room}: put the heading back."
    return found


@cache
def levels() -> dict[str, int]:
    with (ROOT / "tests" / "asvs_5_0_0.csv").open(newline="") as file:
        return {row["number"]: int(row["level"]) for row in csv.DictReader(file)}


def numbers(chapter: str) -> list[str]:
    return [number for row in within_chapter(chapter) for number in _NUMBER.findall(row.cells[0])]


def test_the_list_of_requirements_is_whole() -> None:
    assert Counter(levels().values()) == {1: 70, 2: 183, 3: 92}, "Take the numbers from the release 5.0.0."


def test_every_requirement_of_levels_1_and_2_stands_there_once() -> None:
    said = Counter(number for chapter in (MET, DOES_NOT_APPLY, NOT_MET) for number in numbers(chapter))
    asked = {number for number, level in levels().items() if level <= 2}
    faults = [f"{number} is missing" for number in sorted(asked - set(said))]
    faults += [f"{number} is no requirement of level 1 or 2" for number in sorted(set(said) - asked)]
    faults += [f"{number} stands there {count} times" for number, count in said.items() if count > 1]
    none_of(faults, "Give each number one row: as met, as not met, or among what does not apply.")


def test_the_counts_at_the_top_are_those_of_the_tables() -> None:
    met, without, open_ = (len(numbers(chapter)) for chapter in (MET, DOES_NOT_APPLY, NOT_MET))
    words = f"**{met} are met, {without} do not apply and {open_} are not met.**"
    assert words in document(), f"Write in the introduction: {words}"
    assert f"Of its {met + without + open_} requirements" in document()


def test_a_row_says_its_level_and_stands_in_its_chapter() -> None:
    def faults() -> Iterator[str]:
        for row in [*within_chapter(MET), *within_chapter(NOT_MET)]:
            number, level, *_ = row.cells
            if str(levels().get(number)) != level:
                yield f"{number} is of level {levels().get(number)}"
            if row.room and not row.room.startswith(f"V{number.partition('.')[0]} "):
                yield f"{number} stands under {row.room}"

    none_of(faults(), "Write the number alone into the first cell and its level into the second.")


def test_no_row_is_without_a_how() -> None:
    def faults() -> Iterator[str]:
        for row in rows():
            if not all(row.cells):
                yield f"{row.cells[0]}: a cell is empty"
        for chapter, cells in ((MET, 5), (NOT_MET, 5), (DOES_NOT_APPLY, 2), ("What must hold", 2)):
            for row in within_chapter(chapter):
                if len(row.cells) != cells:
                    yield f"{row.cells[0]}: {len(row.cells)} cells instead of {cells}"
                elif chapter in (MET, "What must hold") and not _TEST.search(row.cells[-1]):
                    yield f"{row.cells[0]}: names no test"

    none_of(faults(), "Say how in the row, and name the test that fails when it is not so.")


def test_every_test_that_is_named_exists() -> None:
    def faults() -> Iterator[str]:
        for path, name in sorted(set(_TEST.findall(document()))):
            if not (ROOT / path).exists():
                yield f"{path} does not exist"
            elif name not in cases_of(path):
                yield f"{path} has no {name}"
        for cell in {cell for row in rows() for cell in row.cells if "tests/" in cell}:
            if len(_TEST.findall(cell)) != cell.count("tests/"):
                yield f"not of the form `path::name`: {cell[:80]}"

    none_of(faults(), "Name the test as it is called now, or write it.")


@cache
def cases_of(path: str) -> set[str]:
    """The tests of a file by name, those of a class with its name before."""
    body = parsed(ROOT / path).body
    classes = [node for node in body if isinstance(node, ast.ClassDef)]
    within_them = {f"{each.name}::{case}" for each in classes for case in _cases(each.body)}
    return {*_cases(body), *within_them}


def _cases(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.name


def test_every_link_leads_to_a_heading() -> None:
    headings = {
        re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", document(), re.MULTILINE)
    }
    missing = set(re.findall(r"\]\(#([^)]+)\)", document())) - headings
    assert not missing, f"No heading is called {sorted(missing)}: correct the link or the heading."


# What the rules say, beside the code


def test_the_limits_are_those_of_the_code() -> None:
    none_of(
        (
            f"{what}: the document says {said}, the code {value_of(place.strip('`'))}"
            for _, _, (what, said, place) in within_chapter("The rules behind it", "Limits")
            if value_of(place.strip("`")) != quantity(said)
        ),
        "Write into docs/security.md what the code does now.",
    )


def quantity(words: str) -> float | timedelta:
    """``1,200``, ``20 seconds`` or ``15 minutes``; hours and seconds of a setting are plain numbers there."""
    figure, _, unit = words.replace(",", "").partition(" ")
    unit = unit.removesuffix("s") + "s"
    return timedelta(**{unit: int(figure)}) if unit in ("minutes", "hours") else float(figure)


def value_of(place: str) -> float | timedelta:
    """What the code has under a dotted name, or a setting by its variable."""
    if place.startswith(PREFIX):
        (setting,) = [each for each in fields(Settings) if PREFIX + each.name.upper() == place]
        value = getattr(Settings(), setting.name)
        return timedelta(hours=value) if setting.metadata["unit"] == "hours" else float(value)
    parts = place.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            found: Any = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found if isinstance(found, timedelta) else float(found)
    raise AssertionError(f"{place} is nowhere: correct the name in docs/security.md.")


def test_an_hour_is_an_hour() -> None:
    assert quantity("1 hour") == timedelta(hours=1) == quantity("60 minutes")
    assert quantity("1,048,576 bytes") == 1_048_576
    with pytest.raises(AssertionError, match="is nowhere"):
        value_of("no.such.THING")


def test_the_keys_are_those_of_the_code() -> None:
    """Each purpose for which a key is derived is in the table, and no other."""
    said = {
        row.cells[0].strip("`")
        for row in within_chapter("The rules behind it", "Keys")
        if len(row.cells) == 3
    }
    derived = set()
    for path in walk("chassis", "services"):
        tree = parsed(path)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("keys.derive"):
                (purpose,) = node.args
                derived.add(purpose.value if isinstance(purpose, ast.Constant) else constant(purpose))
    assert derived == said, (
        "Say in docs/security.md, under Keys, what each derived key is for and by which method."
    )


def constant(name: ast.expr) -> Any:
    """The text that a name stands for in whichever module says so."""
    for path in walk("chassis", "services"):
        for node in parsed(path).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == ast.unparse(name):
                return ast.literal_eval(node.value)
    raise AssertionError(f"{ast.unparse(name)} is no constant: derive keys for a purpose that can be read.")


def test_cryptography_stands_where_the_document_says() -> None:
    uses = {
        named(path)
        for path in walk("contracts", "chassis", "services")
        if any(within(name, library) for name, _ in imports(path) for library in _CRYPTOGRAPHY)
    }
    listed = document().partition("These modules use any of it:")[2].partition("###")[0]
    assert uses == set(re.findall(r"`([\w/]+\.py)`", listed)), (
        "List the module under Keys, with what it does."
    )
    called = {
        ast.unparse(node)
        for path in walk("chassis", "services")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and re.fullmatch(r"hashlib\.\w+", ast.unparse(node))
    }
    assert called == {"hashlib.sha256"}, "Use SHA-256, or say why not in docs/security.md (11.4.1)."


def test_what_may_be_logged_is_what_the_document_says() -> None:
    listed = document().partition("A log line may hold these fields")[2].partition("Refusals")[0]
    assert set(re.findall(r"`(\w+)`", listed)) == FIELDS, (
        "List the field, and ask whether it can name a person."
    )


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock", "requirements-setup.lock"])
def test_every_library_is_listed_with_its_version_and_digest(name: str) -> None:
    entries = re.findall(
        r"^[\w.-]+(?:\[[\w,-]+\])?==.*(?:\n    .*)*", (ROOT / name).read_text(), re.MULTILINE
    )
    loose = re.findall(r"^[\w.-]+(?!.*==).*$", (ROOT / name).read_text(), re.MULTILINE)
    assert entries
    assert loose == [], f"Pin it: {loose}"
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == [], "Run: make lock"
    assert name in document()
