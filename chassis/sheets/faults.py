"""What is wrong with a file, or to be looked at in it, for whoever imports it."""

from dataclasses import dataclass

from chassis.sheets.words import sentence


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something in the file that cannot be used; it quotes at most 40 characters of a cell.

    It goes to the person who imports and never to a log, because the cell may be about a person.
    """

    #: The line as an editor counts it; 0 when the fault is the whole file's.
    line: int
    #: The header as the file spells it.
    column: str | None
    fault: str
    cure: str

    def __str__(self) -> str:
        where = f"Line {self.line}" if self.line else ""
        if self.column is not None:
            where += f", column “{self.column}”" if where else f"Column “{self.column}”"
        said = f"{sentence(self.fault)} {sentence(self.cure)}"
        return f"{where}: {said}" if where else said


@dataclass(frozen=True)
class Notice:
    """Something that the person who imports should look at, although nothing is wrong."""

    #: A code for machines.
    kind: str
    notice: str

    def __str__(self) -> str:
        return self.notice


def file_fault(fault: str, cure: str) -> Fault:
    """What is wrong with a file as a whole."""
    return Fault(line=0, column=None, fault=fault, cure=cure)


def empty_file() -> Fault:
    """That there is nothing in it."""
    return file_fault(
        "The file is empty.", "Export it again, with the names of the columns in its first line."
    )
