"""What becomes of the files that people really export: each gets its rows, or its plain sentence."""

from __future__ import annotations

import codecs
import gzip
import io
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis import sheets
from chassis.sheets import Column, Fault, Limits, Notice, Row, Unreadable, read_sheet

NAME = Column(name="name", read=sheets.text(60), required=True, aliases=("title",))
OPENED = Column(name="opened_on", read=sheets.iso_date)


def figures(cell: str) -> int:
    if not cell.isdecimal():
        raise Unreadable(f"“{cell}” is not a whole number.", "Write digits only, for example 1200.")
    return int(cell)


SIZE = Column(name="size", read=figures)
COLUMNS = (NAME, OPENED, SIZE)

Item = Row | Fault | Notice


def read(content: bytes | str | Path, *columns: Column, limits: Limits | None = None) -> list[Item]:
    source = content.encode() if isinstance(content, str) else content
    return list(read_sheet(source, columns or COLUMNS, limits=limits))


def names(items: list[Item]) -> list[str]:
    """The names of the rows; fails when anything is wrong."""
    assert [item for item in items if isinstance(item, Fault)] == []
    return [item.cells["name"] for item in items if isinstance(item, Row)]


def sentences(items: list[Item]) -> list[str]:
    """The faults as the person reads them."""
    return [str(item) for item in items if isinstance(item, Fault)]


def test_rows_come_converted_with_their_line() -> None:
    assert read("name,opened_on,size\nAda,2012-02-29,12\n\nBob,,\n") == [
        Row(2, {"name": "Ada", "opened_on": date(2012, 2, 29), "size": 12}),
        Row(4, {"name": "Bob", "opened_on": None, "size": None}),
    ]


def test_columns_may_stand_in_any_order_be_absent_and_be_spelt_with_capitals_or_an_alias() -> None:
    assert read("Opened-On,TITLE\n2012-01-01,Ada\n") == [
        Row(2, {"name": "Ada", "opened_on": date(2012, 1, 1), "size": None})
    ]


def test_reading_is_lazy() -> None:
    items = read_sheet(b"name\nAda\n=1\nBob\n", COLUMNS)
    assert next(items) == Row(2, {"name": "Ada", "opened_on": None, "size": None})


def test_a_fault_reads_as_a_sentence() -> None:
    assert sentences(read("name,opened_on\nAda,31/12/2012\n")) == [
        "Line 2, column “opened_on”: “31/12/2012” is not a date. "
        "Write it as year-month-day, for example 2012-03-31."
    ]


def test_sentences_get_their_full_stops() -> None:
    fault = Fault(line=3, column=None, fault="It is odd", cure="Mend it")
    assert str(fault) == "Line 3: It is odd. Mend it."


def test_every_fault_of_a_line_is_reported_and_the_line_gives_no_row() -> None:
    assert sentences(read("name,opened_on,size\n,2012-13-01,many\nBob,,\n")) == [
        "Line 2, column “name”: The cell is empty. Fill it in: every line needs it.",
        "Line 2, column “opened_on”: “2012-13-01” is no day of the calendar. "
        "Write it as year-month-day, for example 2012-03-31.",
        "Line 2, column “size”: “many” is not a whole number. Write digits only, for example 1200.",
    ]


def test_a_reader_that_fails_in_its_own_way_is_a_fault_without_its_words() -> None:
    assert sentences(read("n\nx\n", Column(name="n", read=int))) == [
        "Line 2, column “n”: “x” cannot be used here. Correct it."
    ]


def test_a_fault_quotes_forty_characters_at_most() -> None:
    (fault,) = sentences(read("name,opened_on\nAda," + "9" * 500 + "\n"))
    assert fault.count("9") == 39
    assert "9…”" in fault


# Files


@pytest.mark.parametrize("content", [b"", b"\n\n \n", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, b",,,\n"])
def test_an_empty_file(content: bytes) -> None:
    assert sentences(read(content)) == [
        "The file is empty. Export it again, with the names of the columns in its first line."
    ]


@pytest.mark.parametrize("content", ["name", "name\n", "name,size\r\n\r\n,\r\n"])
def test_only_a_header(content: str) -> None:
    assert sentences(read(content)) == [
        "Line 1: The file has a header and no lines under it. "
        "Export it again and check that the table is not filtered to nothing."
    ]


def test_a_file_is_read_from_its_path(tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    path.write_bytes(b"name\nAda\n")
    assert names(read(path)) == ["Ada"]


def test_a_file_that_is_not_there_and_one_that_is_a_folder(tmp_path: Path) -> None:
    assert sentences(read(tmp_path / "none.csv")) == [
        "The file cannot be read: No such file or directory. Check that it is there and may be opened."
    ]
    assert sentences(read(tmp_path)) == [
        "The file cannot be read: it is not a file. Check that it is there and may be opened."
    ]


def test_a_file_that_is_too_large_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.truncate(64 * 1024 * 1024 + 1)
    assert sentences(read(path)) == [
        "The file has 67,108,865 bytes; at most 67,108,864 are read. "
        "Split it into smaller files, each with the header."
    ]


def zipped(*members: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for member in members:
            archive.writestr(
                member, "application/vnd.oasis.opendocument.spreadsheet" if member == "mimetype" else "x"
            )
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (zipped("[Content_Types].xml", "xl/workbook.xml"), "This is an Excel workbook, not a CSV file."),
        (zipped("mimetype", "content.xml"), "This is a LibreOffice workbook, not a CSV file."),
        (zipped("[Content_Types].xml"), "This is an Office document (a workbook, perhaps), not a CSV file."),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "This is an old Excel workbook, not a CSV file."),
        (b"%PDF-1.7\n%\xe2\xe3", "This is a PDF, not a CSV file."),
        (b"<html><table><tr><td>name", "This is a web page or XML, not a CSV file."),
        (b"\xef\xbb\xbf<?xml version='1.0'?>", "This is a web page or XML, not a CSV file."),
        ("name\nAda\n".encode("utf-32"), "This is text in UTF-32, not a CSV file."),
    ],
)
def test_a_file_of_another_kind_is_called_by_its_name(content: bytes, sentence: str) -> None:
    assert sentences(read(content)) == [
        f"{sentence} Open it in the program that made it and save it as CSV (UTF-8)."
    ]


@pytest.mark.parametrize(
    ("content", "kind"), [(zipped("list.csv"), "zip"), (gzip.compress(b"name\nAda\n", mtime=0), "gzip")]
)
def test_a_compressed_file_is_to_be_unpacked(content: bytes, kind: str) -> None:
    assert sentences(read(content)) == [
        f"This is a compressed file ({kind}). Unpack it and import the CSV file that is in it."
    ]


# Encodings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_files(encoding: str) -> None:
    assert names(read("name,size\nZoë Łukasz نور,3\n".encode(encoding))) == ["Zoë Łukasz نور"]


@pytest.mark.parametrize(
    ("mark", "encoding"), [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")]
)
def test_utf_16_in_either_order(mark: bytes, encoding: str) -> None:
    assert names(read(mark + "name\r\nZoë\r\n".encode(encoding))) == ["Zoë"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark(encoding: str) -> None:
    assert sentences(read("name,size\nAda,3\n".encode(encoding))) == [
        "This is text in UTF-16 without a byte order mark, not a CSV file. "
        "Open it in the program that made it and save it as CSV (UTF-8)."
    ]


def test_utf_16_cut_in_the_middle_of_a_character() -> None:
    (fault,) = sentences(read("name\nAda\nBob".encode("utf-16")[:-1]))
    assert fault.startswith(
        "Line 3, column “name”: The cell contains a character that cannot be decoded: “Bo"
    )


def test_windows_1252_is_read_and_mentioned() -> None:
    items = read("name\nZoë’s café – £5\n".encode("cp1252"))
    assert names(items) == ["Zoë’s café – £5"]
    assert items[0] == Notice(
        "windows-1252",
        "The file is not UTF-8, so it was read as Windows-1252. Check the accents and pound signs.",
    )


def test_windows_1252_is_found_by_an_accent_in_the_last_line() -> None:
    content = b"name\n" + b"Ada\n" * 40_000 + b"Zo\xeb\n"
    assert names(read(content))[-1] == "Zoë"


def test_a_byte_that_windows_1252_does_not_have() -> None:
    assert sentences(read(b"name\nZo\xeb\nA\x81a\n")) == [
        "Line 3, column “name”: The cell contains a character that cannot be decoded: “A�a”. "
        "Correct it. Open it in the program that made it and save it as CSV (UTF-8)."
    ]


def test_a_file_of_two_encodings_is_not_guessed_at() -> None:
    items = read("name\nZoë\n".encode() + "Łé\n".encode() + b"Ren\xe9\n")
    assert [item for item in items if isinstance(item, Notice)] == []
    assert sentences(items) == [
        "Line 4, column “name”: The cell contains a character that cannot be decoded: “Ren�”. "
        "Correct it. Open it in the program that made it and save it as CSV (UTF-8)."
    ]


def test_text_is_normalised() -> None:
    assert names(read("name\n  Zoe\u0308\u00a0Smith\u2003 \n")) == ["Zoë Smith"]


# Separators, lines and quotes


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_separators_and_line_endings(separator: str, ending: str) -> None:
    lines = (("name", "opened_on", "size"), ("Ada", "2012-01-01", "1"), ("Bob", "", "2"))
    assert read(ending.join(separator.join(line) for line in lines)) == [
        Row(2, {"name": "Ada", "opened_on": date(2012, 1, 1), "size": 1}),
        Row(3, {"name": "Bob", "opened_on": None, "size": 2}),
    ]


def test_the_separator_is_that_of_the_header_not_of_the_cells() -> None:
    assert names(read('name;size\n"a,b,c,d";1\n')) == ["a,b,c,d"]
    assert names(read('"name";"size"\nAda;1\n')) == ["Ada"]


def test_the_separator_line_that_excel_writes() -> None:
    assert names(read("sep=;\r\nname;size\r\nAda;1\r\n")) == ["Ada"]


def test_quoted_cells() -> None:
    several = Column(name="several", read=sheets.lines(), multiline=True)
    assert read('name,several\n"Ada ""the"" first","a, b\nc"\nBob,d\n', NAME, several) == [
        Row(2, {"name": 'Ada "the" first', "several": ("a, b", "c")}),
        Row(4, {"name": "Bob", "several": ("d",)}),
    ]


def test_a_quotation_mark_inside_a_bare_cell_is_text() -> None:
    assert names(read('name\n5" nails\n')) == ['5" nails']


def test_a_quotation_mark_that_is_never_closed_names_the_line_where_it_opens() -> None:
    assert sentences(read('name,size\nAda,1\nBob,"2\nCarl,3\nDora,4\n')) == [
        'Line 3, column “size”: A quotation mark (") opens a cell here and nothing closes it; '
        "the lines after it were not read. "
        "Close it at the end of the cell, and write a quotation mark that belongs to the text twice."
    ]


def test_the_opening_line_is_named_even_within_a_row_of_many_lines() -> None:
    several = Column(name="several", read=sheets.lines(), multiline=True)
    (fault,) = sentences(read('several,name\n"a\nb","Bob\nCarl\n', NAME, several))
    assert fault.startswith("Line 3, column “name”: A quotation mark")


def test_an_open_quotation_mark_does_not_swallow_a_large_file() -> None:
    content = b'name,size\n"Ada,1\n' + b"Bob,2\n" * 1_000_000
    tracemalloc.start()
    faults = sentences(read(content))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(faults) == 1
    assert faults[0].startswith("Line 2, column “name”: A quotation mark")
    assert peak < 5_000_000


def test_many_short_lines_after_an_open_quotation_mark_take_no_time() -> None:
    begun = time.process_time()
    assert len(sentences(read(b'name\n"' + b"\n" * 1_000_000))) == 1
    assert time.process_time() - begun < 5


def test_text_after_a_closing_quotation_mark() -> None:
    items = read('name,size\n"Ada" Smith,1\nBob,2\n')
    assert sentences(items) == [
        'Line 2, column “name”: A cell that begins with a quotation mark (") goes on after the mark that '
        "closes it. "
        "Write each quotation mark that belongs to the text twice, and one at each end of the cell."
    ]
    assert items[1] == Row(3, {"name": "Bob", "opened_on": None, "size": 2})


def test_an_open_quotation_mark_that_the_next_one_seems_to_close() -> None:
    faults = sentences(read('name,size\n"Ada,1\nBob,2\n"Carl",3\n'))
    assert [fault[:23] for fault in faults] == ["Line 2, column “name”: "]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("Ada", "The line has 1 cell and the header 2. Add a separator for every empty cell, and check that "
         "the line is not broken in two."),
        ("Ada,1,2", "The line has 3 cells and the header 2. Put a cell that contains the separator in "
         'quotation marks ("…").'),
    ],
)  # fmt: skip
def test_too_few_and_too_many_cells(line: str, sentence: str) -> None:
    assert sentences(read(f"name,size\n{line}\nBob,2\n")) == [f"Line 2: {sentence}"]


def test_empty_cells_beyond_the_header_are_ignored() -> None:
    assert names(read("name,size,,\nAda,1,,\nBob,2,,,,\n,,,\n")) == ["Ada", "Bob"]


# Cells


@pytest.mark.parametrize("cell", ["x" * 1_000_000, '"' + "x" * 1_000_000 + '"', "x" * 150_000, "x" * 10_001])
def test_a_cell_of_a_million_characters(cell: str) -> None:
    items = read(f"size,name\n1,{cell}\n2,Bob\n")
    assert sentences(items) == [
        "Line 2, column “name”: The cell has more than 10,000 characters. Shorten it."
    ]
    assert isinstance(items[1], Row)
    assert items[1].line == 3


def test_a_row_that_is_too_long_without_a_long_cell() -> None:
    columns = [Column(name=f"c{number}", read=sheets.text(10_000)) for number in range(50)]
    header = ",".join(column.name for column in columns)
    row = ",".join(["x" * 9_000] * 50)
    assert sentences(read(f"{header}\n{row}\n{row[:-1]}y\n", *columns, limits=Limits(faults=9))) == [
        f"Line {line}: The row has more than 200,000 characters. "
        "Check that the file has line breaks between its rows, and shorten the longest cells."
        for line in (2, 3)
    ]


def test_a_first_line_of_a_million_characters() -> None:
    assert sentences(read("x" * 1_000_000 + "\nAda\n")) == [
        "Line 1: The cell has more than 10,000 characters. Shorten it."
    ]


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        ("A\0a", "The cell contains a NUL character."),
        ("A\x07a", "The cell contains an invisible character (U+0007)."),
        ("A\x9fa", "The cell contains an invisible character (U+009F)."),
        ("A\u202ea", "The cell contains an invisible character (U+202E)."),
        ("A\u200ba", "The cell contains an invisible character (U+200B)."),
        ("A\ta", "The cell contains a tab."),
        ('"A\na"', "The cell contains a line break."),
        ('"A\r\na"', "The cell contains a line break."),
    ],
)
def test_characters_that_could_do_harm_elsewhere(cell: str, sentence: str) -> None:
    (fault,) = read(f"name,size\n{cell},1\n")
    assert isinstance(fault, Fault)
    assert (fault.line, fault.column, fault.fault) == (2, "name", sentence)
    assert fault.cure


def test_joiners_within_names_are_kept() -> None:
    assert names(read("name\nمی\u200cخواهم\n")) == ["می\u200cخواهم"]


def test_a_file_full_of_faults_is_given_up() -> None:
    faults = sentences(read("name,size\n" + "Ada,x\n" * 5_000))
    assert len(faults) == 1_001
    assert faults[-1] == (
        "There are 1,000 faults already; the rest of the file was not read. "
        "Correct these first: what causes many of them is often one thing."
    )


# Headers


def test_missing_columns_are_all_named_at_once() -> None:
    needed = tuple(Column(name=name, read=str, required=True) for name in ("name", "place", "year"))
    assert sentences(read("name\nAda\n", *needed)) == [
        "Line 1: The header lacks the columns “place” and “year”. "
        "Add what is missing; its place does not matter."
    ]


def test_an_unknown_column_is_refused_with_the_nearest_name() -> None:
    assert sentences(read("name,openedon,shoes\nAda,2012-01-01,x\n")) == [
        "Line 1, column “openedon”: There is no such column. "
        "Did you mean “opened_on”? If not, delete the column.",
        "Line 1, column “shoes”: There is no such column. "
        "Delete it, or give it one of these names: “name”, “opened_on” and “size”.",
    ]


def test_a_column_that_comes_twice_under_two_names() -> None:
    assert sentences(read("name,Title\nAda,Bob\n")) == [
        "Line 1, column “Title”: The column “name” comes twice. Delete one of the two."
    ]


def test_a_column_without_a_name() -> None:
    assert sentences(read("name,,size\nAda,x,1\n")) == [
        "Line 1: Column 2 has no name. Name it in the header, or delete it."
    ]


def test_a_file_without_a_header() -> None:
    assert sentences(read("Ada,2012-01-01,12\nBob,,\n")) == [
        "Line 1: The first line is not a header: it names none of the columns that are expected. "
        "Put the names of the columns there: “name”, “opened_on” and “size”."
    ]


def test_two_hundred_columns_are_enough() -> None:
    assert sentences(read(",".join(["name"] * 201) + "\n")) == [
        "Line 1: The header has 201 columns; at most 200 are read. Delete the columns that are not needed."
    ]


def test_a_broken_header() -> None:
    (fault,) = sentences(read('"name,size\nAda,1\n'))
    assert fault.startswith("Line 1: A quotation mark")


def test_two_columns_of_one_name_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="two columns are called 'Title'"):
        read_sheet(b"", [NAME, Column(name="Title", read=str)])


# Readers of cells


def refusal(reader: Callable[[str], object], cell: str) -> str:
    with pytest.raises(Unreadable) as caught:
        reader(cell)
    return f"{caught.value.fault} {caught.value.cure}"


@pytest.mark.parametrize(
    "cell", ["Ada", "-", "+44 20 7946 0000", "-5", "+(44) 20", "a=b", "#1 Club", "O'Neil"]
)
def test_text(cell: str) -> None:
    assert sheets.text(60)(cell) == cell


@pytest.mark.parametrize("cell", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", "- see notes", "＝1"])
def test_text_that_a_spreadsheet_would_run(cell: str) -> None:
    assert refusal(sheets.text(60), cell) == (
        f"“{cell}” begins with “{cell[0]}”, so a spreadsheet would run it as a formula. "
        f"Remove the “{cell[0]}” at the beginning."
    )


@pytest.mark.parametrize("start", ["\t", "\r", " ", "\u00a0"])
def test_space_in_front_does_not_hide_a_formula(start: str) -> None:
    (fault,) = sentences(read(f'size,name\n1,"{start}=1+1"\n'))
    assert "a spreadsheet would run it" in fault


def test_text_that_a_spreadsheet_failed_to_compute_and_text_that_is_too_long() -> None:
    assert refusal(sheets.text(60), "#REF!") == "“#REF!” is a spreadsheet's error. Write the value itself."
    assert refusal(sheets.text(3), "abcd") == "The text has 4 characters; there is room for 3. Shorten it."


@pytest.mark.parametrize(
    "cell", ["20120101", "2012-W01-1", "2012-1-1", "٢٠١٢-٠١-٠١", "2012-01-01T00:00", "01/02/2012"]
)
def test_dates_that_are_not_plain(cell: str) -> None:
    assert "is not a date." in refusal(sheets.iso_date, cell)


def test_one_of() -> None:
    reader = sheets.one_of(("north_west", "south"))
    assert reader("south") == "south"
    assert "Did you mean" not in refusal(sheets.one_of({"E09000020", "E09000033"}), "E09000021")
    assert refusal(reader, "North West") == "“North West” is not a known code. Did you mean “north_west”?"
    assert refusal(reader, "9") == "“9” is not a known code. Use one of these: “north_west” and “south”."


def test_many_of() -> None:
    reader = sheets.many_of({"a": 1, "b": 2})
    assert reader("b; a;b;") == ("b", "a")
    assert "“c” is not a known code." in refusal(reader, "a;c")
    assert refusal(reader, ";") == "“;” holds no code. Write one, or leave the cell empty."


def test_lines() -> None:
    assert sheets.lines()("2 Example Road; London;") == ("2 Example Road", "London")
    assert "run it as a formula" in refusal(sheets.lines(), "London;=1+1")


def test_email_addresses() -> None:
    assert sheets.email_address("Ada.O'Neil+x@Sub.Body.EXAMPLE") == "Ada.O'Neil+x@sub.body.example"


@pytest.mark.parametrize(
    "cell",
    [
        "ada", "@b.example", "a@", "a@b", "a@b..example", "a@-b.example", "a@b@c.example", "a b@c.example",
        "a@b.example;c@d.example", "a@b.example,c@d.example", "Ada <a@b.example>", "a@b.example\nBcc:x",
        "a@b.example\x00", "=a@b.example", "é@b.example", "a@bé.example", "a@" + "b" * 64 + ".example",
        "a" * 65 + "@b.example", "a@" + "bcd." * 63 + "example",
    ],
)  # fmt: skip
def test_what_is_no_email_address(cell: str) -> None:
    assert refusal(sheets.email_address, cell)


def test_postcodes() -> None:
    cells = ("w100xx", "W1A 1AA", "EC1A1BB", "m1 1ae", "GIR 0AA")
    assert [sheets.postcode(cell) for cell in cells] == [
        "W10 0XX",
        "W1A 1AA",
        "EC1A 1BB",
        "M1 1AE",
        "GIR 0AA",
    ]
    for cell in ("W10", "75001", "W10 OXX", "Q1 1AA", "W10 0XXX", "W1٠ 0XX"):
        assert "is not a UK postcode." in refusal(sheets.postcode, cell)


def test_telephone_numbers() -> None:
    cells = ("020 7946 0000", "+44 (0)20 7946-0000 ext. 12", "999")
    assert [sheets.telephone(cell) for cell in cells] == list(cells)
    for cell in ("none", "+", "12", "1" * 21, "=1234567"):
        assert "is not a telephone number." in refusal(sheets.telephone, cell)


# Guarantees


def test_a_hundred_thousand_lines_do_not_grow_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("name\n")
        file.writelines(f"Zoë number {number}\n" for number in range(100_000))
    tracemalloc.start()
    rows = sum(isinstance(item, Row) for item in read_sheet(path, [NAME]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == 100_000
    assert peak < 2_000_000


@settings(max_examples=200)
@given(st.binary(max_size=300), st.sampled_from([b"", b"name,size\n", b'name;size\n"', codecs.BOM_UTF16_LE]))
def test_no_bytes_whatever_make_it_fail(noise: bytes, start: bytes) -> None:
    for item in read_sheet(start + noise, COLUMNS):
        if isinstance(item, Row):
            assert (
                item.cells["name"].isprintable()
                or "\u200c" in item.cells["name"]
                or "\u200d" in item.cells["name"]
            )
        else:
            assert str(item)
