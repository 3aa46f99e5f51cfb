"""Reads a table out of a file that somebody exported from somewhere, line by line, in bounded memory.

Every fault comes back with its line, its column, what is wrong and what to do about it; nothing is
guessed silently.  A line is either a `Row`, with every cell converted, or one `Fault` or more.  This
package does not know what the columns mean: it gets a `Column` for each, with a reader for its cells.

What it accepts: UTF-8 with or without a byte order mark, UTF-16 with one, Windows-1252 (with a
`Notice`); commas, semicolons or tabs; any line ending; quoted cells that span lines.
"""

from chassis.sheets.cells import (
    SAVE_AS_CSV,
    Column,
    Limits,
    Unreadable,
    email_address,
    inert,
    iso_date,
    lines,
    many_of,
    one_of,
    postcode,
    read_cell,
    telephone,
    text,
    web_address,
)
from chassis.sheets.faults import Fault, Notice
from chassis.sheets.files import not_a_table
from chassis.sheets.reading import Header, Row, read_header, read_sheet

__all__ = [
    "SAVE_AS_CSV",
    "Column",
    "Fault",
    "Header",
    "Limits",
    "Notice",
    "Row",
    "Unreadable",
    "email_address",
    "inert",
    "iso_date",
    "lines",
    "many_of",
    "not_a_table",
    "one_of",
    "postcode",
    "read_cell",
    "read_header",
    "read_sheet",
    "telephone",
    "text",
    "web_address",
]
