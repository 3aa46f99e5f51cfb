"""The kinds of files that the register takes in, and how one is told from another.

Whatever a file looks like, its lines come out alike: the columns of an organisation and of a contact, each
with a value or with nothing. A file of another register speaks of organisations alone, and what it leaves
empty it does not deny.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chassis.house import House
from chassis.sheets import Fault, Header, Notice, Row, not_a_table, read_header, read_sheet
from services.partners import charity_file, nhs_file, partners_file
from services.partners.lines import PassedOver

Item = Row | Fault | Notice | PassedOver

#: A file, the house, and which column each cell is where somebody has said so.
Read = Callable[[Path | bytes, House, Sequence[str] | None], Iterator[Item]]


@dataclass(frozen=True, kw_only=True)
class Format:
    """One kind of file."""

    code: str
    #: What people call it.
    name: str
    #: What it is, in a sentence.
    meaning: str
    read: Read
    #: How the identifiers of a register begin; nothing for our own list.
    prefix: str = ""
    #: The columns of an organisation of which such a file may speak.
    columns: tuple[str, ...] = partners_file.ORGANISATION_COLUMNS
    #: What one piece of it is called.
    unit: str = "line"

    @property
    def foreign(self) -> bool:
        """Whether it is another register's: it knows organisations and not what they are to us."""
        return bool(self.prefix)


def _read_ours(source: Path | bytes, house: House, names: Sequence[str] | None) -> Iterator[Item]:
    for item in read_sheet(source, partners_file.columns(house), names=names):
        if isinstance(item, Row):
            faults = list(partners_file.faults_in(item))
            yield from faults
            if faults:
                continue
        yield item


OURS = Format(
    code="ours",
    name="Our list",
    meaning="A CSV file of ours: one line for each contact, with the names of the columns in the first line.",
    read=_read_ours,
)
NHS = Format(
    code="nhs",
    name="NHS register",
    meaning="A CSV file of the NHS Organisation Data Service: 27 columns and no header.",
    read=lambda source, house, names: nhs_file.read(source),
    prefix=nhs_file.PREFIX,
    columns=nhs_file.COLUMNS,
)
CHARITIES = Format(
    code="charities",
    name="Charity Commission",
    meaning="An extract of the register of charities of England and Wales, as JSON.",
    read=lambda source, house, names: charity_file.read(source),
    prefix=charity_file.PREFIX,
    columns=charity_file.COLUMNS,
    unit="entry",
)

FORMATS: Mapping[str, Format] = {each.code: each for each in (OURS, NHS, CHARITIES)}


def recognised(source: Path | bytes, house: House) -> Format | Fault:
    """Of which kind a file is, by what it begins with; or why it is of none.

    Args:
        source: the file, or as much of its beginning as has a line in it.
    """
    head = _head(source)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"[", b"{"):
        return CHARITIES
    refusal = not_a_table(head)
    if refusal:
        return refusal
    header = header_of(source, house)
    if isinstance(header, Fault):
        return OURS
    return NHS if not any(header.names) and nhs_file.looks_like(header) else OURS


def header_of(source: Path | bytes, house: House) -> Header | Fault:
    """The first line of a file beside the columns of our list."""
    return read_header(source, partners_file.columns(house))


def speaks_of(format: Format, source: Path | bytes, house: House, names: Sequence[str] | None) -> list[str]:
    """The columns of which a file says something: a column of ours that is not in it is left as it is."""
    if format.foreign:
        return list(format.columns)
    if names is None:
        header = header_of(source, house)
        found = [] if isinstance(header, Fault) else header.names
        return [name for name in found if name]
    return [name for name in names if name]


def _head(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source[:65_536]
    try:
        with source.open("rb") as stream:
            return stream.read(65_536)
    except OSError:
        return b""
