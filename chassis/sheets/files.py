"""Files: whether one can be a table of text at all, and how its text is encoded."""

import codecs
import re
from pathlib import Path
from typing import BinaryIO

from chassis.sheets.cells import SAVE_AS_CSV, Limits
from chassis.sheets.faults import Fault, empty_file, file_fault


def size_of(path: Path) -> int:
    """The size in bytes; only a plain file can be read twice, which finding the encoding needs."""
    if path.exists() and not path.is_file():
        raise OSError(0, "it is not a file")
    return path.stat().st_size


def size_fault(size: int, limits: Limits) -> Fault | None:
    if size == 0:
        return empty_file()
    if size > limits.file_bytes:
        return file_fault(
            f"The file has {size:,} bytes; at most {limits.file_bytes:,} are read.",
            "Split it into smaller files, each with the header.",
        )
    return None


#: What files begin with when they are no tables of text, and what to call them.
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook"),
    (b"%PDF-", "a PDF"),
    (b"\x1f\x8b", "a compressed file (gzip)"),
    (b"7z\xbc\xaf\x27\x1c", "a compressed file (7z)"),
    (b"Rar!", "a compressed file (RAR)"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"{\\rtf", "a word-processor document"),
    (b"SQLite format 3\x00", "a database"),
    (b"\xff\xfe\x00\x00", "text in UTF-32"),
    (b"\x00\x00\xfe\xff", "text in UTF-32"),
)


def not_a_table(head: bytes) -> Fault | None:
    """Names the kind of a file that is no table of text, by what it begins with; nothing where it may be."""
    kind = next((name for start, name in _SIGNATURES if head.startswith(start)), None)
    if head.startswith(b"PK\x03\x04"):
        kind = _zip_kind(head)
    elif re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|\?xml|table|meta|style)", head, re.IGNORECASE):
        kind = "a web page or XML"
    elif kind is None and _looks_like_utf16(head):
        kind = "text in UTF-16 without a byte order mark"
    if kind is None:
        return None
    if kind.startswith("a compressed"):
        return file_fault(f"This is {kind}.", "Unpack it and import the CSV file that is in it.")
    return file_fault(f"This is {kind}, not a CSV file.", SAVE_AS_CSV)


def _zip_kind(head: bytes) -> str:
    if b"opendocument.spreadsheet" in head:
        return "a LibreOffice workbook"
    if b"xl/" in head:
        return "an Excel workbook"
    if b"[Content_Types].xml" in head:
        return "an Office document (a workbook, perhaps)"
    return "a compressed file (zip)"


def _looks_like_utf16(head: bytes) -> bool:
    """Every other byte of Western text in UTF-16 is NUL; a stray NUL is found with its cell later."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or len(head) < 4:
        return False
    even, odd = head[0::2].count(0), head[1::2].count(0)
    return max(even, odd) * 4 > len(head) and min(even, odd) * 10 < max(even, odd)


def encoding_of(stream: BinaryIO, head: bytes) -> str:
    """Decides the encoding from the whole file, because its first accent may be in its last line.

    Windows-1252 is believed only when no character at all reads as UTF-8; a file with some of both is
    taken for damaged UTF-8, whose bad characters then become faults.
    """
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    stray = False
    while True:
        block = stream.read(65_536)
        decoded = decoder.decode(block, final=not block)
        if not decoded.isascii():
            if re.search("[^\x00-\x7f\udc80-\udcff]", decoded):
                return "utf-8"
            stray = True
        if not block:
            return "cp1252" if stray else "utf-8"
