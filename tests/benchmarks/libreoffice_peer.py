"""The same letters by LibreOffice's mail merge: one document with fields, a table, a PDF for each row of it.

A LibreOffice for each processor, with a profile of its own and its share of the rows. Tagged for PDF/UA like
ours; without the QR code, which its merge cannot draw.
"""

import csv
import os
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from chassis.context import Context
from services.notifications.letters import content_of, values_of
from services.notifications.rendering import LetterContent, pdf_values
from tests.benchmarks.servers import line_from

_HERE = Path(__file__).parent
#: Debian's.
_PACKAGES = ("libreoffice-writer-nogui", "libreoffice-base-nogui", "python3-uno")
#: Marks of direction, and of where an endless word may break.
_UNSEEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
_FIELD = re.compile(r"\{([a-z_0-9]+)\}")


def _template(context: Context, letter: Any) -> LetterContent:
    """A letter with the names of fields in braces: its campaign's words, and the frame that ours have."""
    content = content_of(context, letter)
    assert content.evidence is not None
    figure = "{registered} registered {profession_plural} in {areas}"
    return replace(
        content,
        subject=letter["subject"],
        body=letter["body"],
        recipient_name="{contact_name}",
        recipient_role="{contact_role}",
        recipient_body="{body_name}",
        recipient_address=[f"{{address_{line}}}" for line, _ in enumerate(content.recipient_address)],
        reference="{reference}",
        response_url="{response_url}",
        evidence=replace(content.evidence, figure=figure),
    )


def _row(context: Context, number: int, letter: Any) -> dict[str, str]:
    """What the fields become in one letter, and the number that its PDF is called after."""
    address = enumerate(content_of(context, letter).recipient_address)
    return {
        "number": str(number),
        **values_of(context, letter),
        "reference": letter["reference"],
        **{f"address_{line}": said for line, said in address},
    }


def _document(letter: LetterContent) -> str:
    """A letter as a flat text document. What stands in braces becomes a field, as LibreOffice writes it."""
    pages = Environment(autoescape=True, undefined=StrictUndefined)
    written = pages.from_string((_HERE / "libreoffice_letter.fodt").read_text("utf-8"))
    return _FIELD.sub(
        r'<text:database-display text:database-name="letters" text:table-name="letters" '
        r'text:table-type="table" text:column-name="\1">\1</text:database-display>',
        written.render(pdf_values(letter)),
    )


def installed() -> tuple[str, str]:
    """LibreOffice, and a Python that can talk to it. Debian's packages are installed when we may.

    Raises:
        FileNotFoundError: says what to type.
    """
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *_PACKAGES]
    if (found := _found()) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(install, check=False, capture_output=True)
        found = _found()
    if found is None:
        raise FileNotFoundError(f"LibreOffice with its mail merge is missing: {' '.join(install)}")
    return found


def _found() -> tuple[str, str] | None:
    if (soffice := shutil.which("soffice")) is None:
        return None
    folder = Path(soffice).resolve().parent
    if not (folder.parent / "share/config/soffice.cfg/modules/dbapp").exists():
        return None  # Base, without which it knows no table
    # Others than Debian bring a Python with it.
    for python in (str(folder / "python"), "/usr/bin/python3"):
        try:
            subprocess.run([python, "-c", "import uno"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return soffice, python
    return None


@contextmanager
def offices(
    folder: Path, context: Context, letters: Sequence[Any], workers: int
) -> Iterator[list["subprocess.Popen[str]"]]:
    """Start so many, each with its share of a campaign's letters in the folder; wait until all are ready."""
    soffice, python = installed()
    document = _document(_template(context, letters[0]))
    rows = [_row(context, number, letter) for number, letter in enumerate(letters)]
    with ExitStack() as stack:
        started = []
        for number in range(workers):
            share = folder / f"office-{number}"
            (share / "merged").mkdir(parents=True)
            (share / "letter.fodt").write_text(document, "utf-8")
            _write(share / "letters.csv", rows[number::workers])
            started.append(stack.enter_context(_office(python, soffice, share)))
        for office in started:
            assert line_from(office) == "ready"
        yield started


def _write(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@contextmanager
def _office(python: str, soffice: str, share: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [python, str(_HERE / "libreoffice_merge.py"), soffice, str(share)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as running:
        yield running  # at the end of its input it stops, and LibreOffice with it


def merge_all(started: Sequence["subprocess.Popen[str]"]) -> int:
    """Merge every letter. How many PDFs there are then."""
    for office in started:
        assert office.stdin is not None
        office.stdin.write("merge\n")
        office.stdin.flush()
    return sum(int(line_from(office)) for office in started)


def merged(folder: Path) -> Iterator[tuple[int, bytes]]:
    """The PDFs that were made, each with the number of its letter."""
    for pdf in folder.glob("office-*/merged/*.pdf"):
        yield int(pdf.stem), pdf.read_bytes()


def pages_and_words(pdf: bytes) -> tuple[int, list[str]]:
    """How many pages a PDF has and what it says, wherever that stands on them."""
    said = subprocess.run(["pdftotext", "-", "-"], input=pdf, check=True, capture_output=True).stdout.decode()
    return said.count("\f"), sorted(unicodedata.normalize("NFKC", _UNSEEN.sub("", said)).split())
