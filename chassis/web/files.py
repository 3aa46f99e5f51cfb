"""Files over the web: taking one in from a form, and giving one out."""

import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from urllib.parse import quote

from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from chassis.database import Database
from chassis.errors import Refused
from chassis.files import PART, StoredFile, file_parts
from chassis.sheets import SAVE_AS_CSV, not_a_table
from chassis.web.gate import FILE_POLICY
from chassis.web.streamed import Streamed
from chassis.web.words import size_in_words

#: Bytes of the largest file that any page takes.
LARGEST_FILE = 32 * 1024 * 1024

#: Bytes that a form may have besides its file.
ROOM = 64 * 1024

_LONGEST_NAME = 120

#: Bytes of a file that are looked at to tell what it is.
_BEGINNING = 64 * 1024


@dataclass(frozen=True)
class Kind:
    """A kind of file that a form may take: known by its ending and by how its content begins."""

    #: What people call it.
    words: str
    ending: str
    media_type: str
    #: How the content of every such file begins; nothing where it is text.
    begins: bytes = b""


PDF = Kind("PDF", ".pdf", "application/pdf", b"%PDF-")
PNG = Kind("PNG picture", ".png", "image/png", b"\x89PNG\r\n\x1a\n")
JPEG = Kind("JPEG picture", ".jpg", "image/jpeg", b"\xff\xd8\xff")
CSV = Kind("CSV", ".csv", "text/csv; charset=utf-8")
JSON = Kind("JSON", ".json", "application/json")
DOCX = Kind(
    "Word document",
    ".docx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    b"PK\x03\x04",
)

_SAME_ENDING = {".jpeg": ".jpg"}


@dataclass(frozen=True)
class Upload:
    """A file that came with a form, still outside the database."""

    name: str
    kind: Kind
    #: Bytes.
    size: int
    file: UploadFile

    async def parts(self) -> AsyncIterator[bytes]:
        """Its content from the beginning, part by part."""
        await self.file.seek(0)
        while part := await self.file.read(PART):
            yield part


async def read_upload(
    form: FormData, field: str, kinds: Iterable[Kind], *, most: int = LARGEST_FILE
) -> Upload | None:
    """The file of a form, if one was chosen. Its name is cut to what is safe to show and to save under.

    Args:
        most: bytes.

    Raises:
        Refused: when it is empty, too large or of no kind that is taken.
    """
    file = form.get(field)
    if not isinstance(file, UploadFile) or not file.filename:
        return None
    size = file.size or 0
    if size == 0:
        raise Refused("This file is empty.", "Choose the file again.", field=field)
    kinds = list(kinds)
    name = _named(file.filename)
    kind = await _kind_of(file, name, kinds)
    if kind is None:
        taken = ", ".join(each.words for each in kinds)
        raise Refused("This file cannot be used.", f"Choose one of these: {taken}.", field=field)
    if size > most:
        raise Refused(
            f"This file is too large: {size_in_words(size)}.",
            f"Choose one of at most {size_in_words(most)}.",
            field=field,
        )
    return Upload(name, kind, size, file)


async def read_table(form: FormData, field: str, kinds: Iterable[Kind]) -> Upload:
    """The file of a form that is to be a table.

    Raises:
        Refused: says what it is instead, and how to make a CSV file of it.
    """
    file = form.get(field)
    if isinstance(file, UploadFile) and file.filename:
        refusal = not_a_table(await file.read(_BEGINNING))
        await file.seek(0)
        if refusal:
            raise Refused(refusal.fault, refusal.cure, field=field)
        if file.filename.lower().endswith((".xlsx", ".xlsm", ".xls", ".ods")):
            raise Refused("This is a workbook, not a CSV file.", SAVE_AS_CSV, field=field)
    upload = await read_upload(form, field, kinds)
    if upload is None:
        raise Refused("No file was chosen.", "Choose a file.", field=field)
    return upload


def _named(name: str) -> str:
    """The last part of a name, without what would turn or break a line, at a length that one can read."""
    last = re.split(r"[/\\]", name)[-1]
    plain = "".join(each for each in last if each.isprintable()).strip()
    stem, dot, ending = plain.rpartition(".")
    kept = f"{stem[: _LONGEST_NAME - len(ending) - 1]}{dot}{ending}" if dot else plain
    return kept[-_LONGEST_NAME:] or "file"


async def _kind_of(file: UploadFile, name: str, kinds: Iterable[Kind]) -> Kind | None:
    head = await file.read(16)
    await file.seek(0)
    return kind_of(name, head, kinds)


def kind_of(name: str, head: bytes, kinds: Iterable[Kind]) -> Kind | None:
    """The kind that a file is by its name and by how its content begins; none where these differ."""
    ending = f".{name.rpartition('.')[2].lower()}"
    ending = _SAME_ENDING.get(ending, ending)
    fitting = (kind for kind in kinds if kind.ending == ending and head.startswith(kind.begins))
    return next(fitting, None)


def give_file(database: Database, file: StoredFile, *, inline: bool = False) -> Response:
    """A kept file, part by part, under a policy that lets nothing in it act.

    Args:
        inline: to be shown in the browser, which only pictures and PDFs are.
    """
    headers = {
        "content-disposition": f"{'inline' if inline else 'attachment'}; {saved_as(file.name)}",
        "content-length": str(file.size),
        "content-security-policy": FILE_POLICY,
    }
    return Streamed(file_parts(database, file.id), media_type=file.media_type, headers=headers)


def give_made(name: str, kind: Kind, content: bytes) -> Response:
    """A file that was made for whoever asks: a PDF to be shown in the browser, others to be saved.

    Args:
        name: under which a browser saves it, without the ending.
    """
    return give_bytes(name + kind.ending, kind.media_type, content, inline=kind is PDF)


def give_bytes(name: str, media_type: str, content: bytes, *, inline: bool = False) -> Response:
    """A small file, under a policy that lets nothing in it act; to be saved, unless it may be shown."""
    headers = {
        "content-disposition": f"{'inline' if inline else 'attachment'}; {saved_as(name)}",
        "content-security-policy": FILE_POLICY,
    }
    return Response(content, media_type=media_type, headers=headers)


def saved_as(name: str) -> str:
    """The name under which a browser saves a file, in any script (RFC 6266)."""
    plain = re.sub(r"[^ !#-\[\]-~]", "_", name)
    return f"filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
