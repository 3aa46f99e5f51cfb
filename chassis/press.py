"""Setting type: values and a template of typst's become a tagged PDF.

A value comes out as text, whatever is in it. Nothing here knows what is printed.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import typst

if TYPE_CHECKING:
    from typst import PDFStandard

# Control characters other than line breaks, and halves of characters (surrogates).
_UNPRINTABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(text: str) -> str:
    """Drop what no page can show, keeping line breaks."""
    return _UNPRINTABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " "))


def all_printable(value: Any) -> Any:
    """The same lists and mappings with nothing in their texts that no page can show."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [all_printable(each) for each in value]
    if isinstance(value, dict):
        return {name: all_printable(each) for name, each in value.items()}
    return value


class Press(threading.local):
    """A typst compiler for each thread: it keeps what it has read, but prints one thing at a time."""

    def __init__(self, template: Path, values: str, imports: Sequence[Path] = ()) -> None:
        """
        Args:
            template: reads its values from a file of JSON.
            values: what the template calls that file.
            imports: other templates that it imports, each by its own name.
        """
        self._files = {"main.typ": _read(template)} | {path.name: _read(path) for path in imports}
        self._values = values
        self._compiler = typst.Compiler(font_paths=_fonts())

    def print(self, values: Mapping[str, object], dated: date, *, claims: bool = True) -> bytes:
        """Tagged by the standard (PDF/UA-1); without claiming it when no font has one of the characters.

        The same values give the same bytes.

        Args:
            claims: whether it may say that it keeps the standard.
        """
        written = json.dumps(values, ensure_ascii=False).encode()
        if not claims:
            return self._print(written, dated, [])
        try:
            return self._print(written, dated, ["ua-1"])
        except typst.TypstError:
            return self._print(written, dated, [])

    def _print(self, written: bytes, dated: date, standards: list[PDFStandard]) -> bytes:
        pdf = self._compiler.compile(
            # All of them every time: the compiler forgets bytes afterwards. The values are a file and none of
            # sys.inputs: they are part of everything, so what was worked out before would hold no longer.
            input=self._files | {self._values: written},  # type: ignore[type-var]
            format="pdf",
            timestamp=datetime.combine(dated, time(12), UTC),
            pdf_standards=standards,
        )
        return cast(bytes, pdf)


def claims_standard(pdf: bytes) -> bool:
    """Whether a PDF of ours says that it keeps the standard."""
    return b"<pdfuaid:part>" in pdf


@cache
def _read(template: Path) -> bytes:
    return template.read_bytes()


@cache
def _fonts() -> typst.Fonts:
    # Libertinus Serif comes with typst (Latin, Greek, Cyrillic, Hebrew). Fonts of the system are used for
    # other scripts alone: install fonts-noto-core and fonts-noto-cjk for names in any script.
    return typst.Fonts(include_system_fonts=True, include_embedded_fonts=True)
