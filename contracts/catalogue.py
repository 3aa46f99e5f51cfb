"""Every fact there is, who says it and who hears it, and the documents that are made from that.

``python -m contracts.catalogue`` writes ``asyncapi.yaml``, ``released.json`` and the table in
``docs/events.md``. With ``--check`` it writes nothing and exits with 1 when one of them is stale.
"""

import inspect
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from contracts import asyncapi as _asyncapi
from contracts import grants, notifications, partners
from contracts.envelope import Event, Fact, decode
from contracts.shapes import Shape, breaking_changes, shape_of

HERE = Path(__file__).parent
SAMPLES = HERE / "samples"
ASYNCAPI = HERE / "asyncapi.yaml"
RELEASED = HERE / "released.json"
EVENTS = HERE.parent / "docs" / "events.md"

BEGIN, END = "<!-- events -->", "<!-- /events -->"

FACTS: dict[str, type[Fact]] = {
    fact.type(): fact for fact in (*partners.FACTS, *grants.FACTS, *notifications.FACTS)
}


class BreakingChange(Exception):
    """A released fact was changed in a way that somebody would trip over."""


def facts_for(service: str) -> dict[str, type[Fact]]:
    """The facts that the service subscribes to, by wire type."""
    return {type_: fact for type_, fact in FACTS.items() if service in fact.SUBSCRIBERS}


def facts_of(owner: str) -> dict[str, type[Fact]]:
    """The facts that the service alone may say, by wire type."""
    return {type_: fact for type_, fact in FACTS.items() if owner == fact.OWNER}


def sample(fact: type[Fact]) -> Event:
    """The golden sample of the fact: what its owner must be able to say and its subscribers to hear."""
    return decode(sample_file(fact).read_bytes(), {fact.type(): fact})


def sample_file(fact: type[Fact]) -> Path:
    """Where the golden sample of the fact stands."""
    return SAMPLES / f"{fact.type()}.json"


def asyncapi() -> str:
    """The catalogue as an AsyncAPI 3 document in YAML."""
    samples = {type_: json.loads(sample_file(fact).read_bytes()) for type_, fact in FACTS.items()}
    return _asyncapi.yaml(_asyncapi.document(FACTS.values(), samples))


def events_table(facts: Iterable[type[Fact]] | None = None) -> str:
    """Who says what to whom, as a table in Markdown."""
    rows = ["| event | said when | by | heard by |", "| --- | --- | --- | --- |"]
    for fact in FACTS.values() if facts is None else facts:
        heard_by = ", ".join(fact.SUBSCRIBERS) or "nobody yet"
        rows.append(f"| `{fact.type()}` | {_first_paragraph(fact)} | {fact.OWNER} | {heard_by} |")
    return "\n".join(rows)


def _first_paragraph(fact: type[Fact]) -> str:
    paragraph = inspect.cleandoc(fact.__doc__ or "").partition("\n\n")[0]
    return " ".join(paragraph.split()).replace("|", "\\|")


def shapes() -> dict[str, Shape]:
    """The shapes of all facts as they stand in the code."""
    return {type_: shape_of(fact) for type_, fact in FACTS.items()}


def released() -> dict[str, Shape]:
    """The shapes that were last written down; none before the first time."""
    snapshot: dict[str, Shape] = json.loads(RELEASED.read_text("utf-8")) if RELEASED.exists() else {}
    return snapshot


def stale() -> dict[Path, str]:
    """The generated documents that differ from what they should say, with what they should say."""
    wanted = {ASYNCAPI: asyncapi(), RELEASED: _json(shapes()), EVENTS: _events()}
    return {path: text for path, text in wanted.items() if not _says(path, text)}


def _says(path: Path, text: str) -> bool:
    return path.exists() and path.read_text("utf-8") == text


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _events() -> str:
    """The page of events with a fresh table between its two marks. One that lacks the marks is an error."""
    text = EVENTS.read_text("utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"docs/events.md has no place for the table of events: put {BEGIN} and {END} back")
    return f"{before}{BEGIN}\n{events_table()}\n{END}{after}"


def write() -> list[Path]:
    """Bring the generated documents up to date and say which ones were not.

    Raises:
        BreakingChange: when a released fact changed. Nothing is written then. Before a first release the
            way out is to delete ``contracts/released.json`` and to write again.
    """
    if broken := breaking_changes(released(), shapes()):
        raise BreakingChange("\n".join(broken))
    documents = stale()
    for path, text in documents.items():
        path.write_text(text, "utf-8")
    return list(documents)


def check() -> list[str]:
    """What is wrong with the generated documents: one sentence each, with the cure."""
    broken = breaking_changes(released(), shapes())
    return broken or [f"{path.name} is stale: run `python -m contracts.catalogue`" for path in stale()]


def main(arguments: Sequence[str]) -> int:
    """Write the documents, or with ``--check`` say what is wrong with them."""
    if list(arguments) not in ([], ["--check"]):
        print("usage: python -m contracts.catalogue [--check]", file=sys.stderr)
        return 2
    if arguments:
        faults = check()
        print("\n".join(faults) or "the documents made from the catalogue are up to date")
        return 1 if faults else 0
    try:
        written = write()
    except BreakingChange as broken:
        print(broken, file=sys.stderr)
        return 1
    print("\n".join(f"wrote {path.name}" for path in written) or "nothing to write")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
