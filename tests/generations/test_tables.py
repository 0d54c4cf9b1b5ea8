"""A table is read whatever program wrote it, and refused with its row where it cannot be."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import tables
from jobs.tables import TableError, open_table


def read(data: bytes) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    table = open_table(io.BytesIO(data))
    return table.columns, list(table)


ROWS = [{"Name": "Müller, A.", "Note": "said “hi”\nand left"}, {"Name": "b", "Note": ""}]


def written(separator: str = ",", end: str = "\r\n") -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, ["Name", "Note"], delimiter=separator, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(ROWS)
    return out.getvalue()


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_separator_line_ends_and_encoding_are_found_out(separator, end, encoding):
    columns, rows = read(written(separator, end).encode(encoding))
    assert columns == ("Name", "Note")
    assert rows == ROWS


def test_utf_16_of_the_other_byte_order_is_read():
    assert read(b"\xfe\xff" + "Name,Note\na,b".encode("utf-16-be"))[1] == [{"Name": "a", "Note": "b"}]


def test_one_column_needs_no_separator():
    assert read(b"input\nHello, world; again\n\nNo. 2") == (
        ("input",),
        [{"input": "Hello, world; again"}, {"input": "No. 2"}],
    )


def test_rows_without_text_are_left_out_and_nameless_columns_are_numbered():
    columns, rows = read(b"a,,c d\n,,\n1,2,3\n\n , ,\n")
    assert columns == ("a", "column 2", "c d")
    assert rows == [{"a": "1", "column 2": "2", "c d": "3"}]


def test_json_lines_make_a_table_too():
    lines = ['{"a": "x", "n": 1.5}', "", '{"tags": ["p", "q"], "a": null, "deep": {"k": true}}']
    columns, rows = read("\ufeff".encode() + "\n".join(lines).encode())
    assert columns == ("a", "n", "tags", "deep")
    assert rows == [
        {"a": "x", "n": "1.5", "tags": "", "deep": ""},
        {"a": "", "n": "", "tags": '["p","q"]', "deep": '{"k":true}'},
    ]


def test_cells_are_only_text():
    """Formulas, markup, template marks and writing from right to left stay as they are; NUL cannot be stored."""
    cells = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "<script>alert(1)</script>", "{{ x }}", "\u202eevil", "\ttab"]
    _, rows = read(
        json.dumps({"a": "\ud800 \0"}).encode() + b"\n" + "\n".join(json.dumps({"a": c}) for c in cells).encode()
    )
    assert [row["a"] for row in rows] == ["\ufffd \ufffd", *cells]
    assert read(b"a,b\n=1+1,x\0y")[1] == [{"a": "=1+1", "b": "x\ufffdy"}]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "The file is empty"),
        (b"\xef\xbb\xbf\n \n", "The file is empty"),
        (b"a,b\n1,2\n1,2,3", "Row 3 has 3 cells, the first row has 2"),
        (b"a,b\n\n1", "Row 3 has 1 cell, the first row has 2"),
        (b'a,b\n1,"2', "Row 2: a quotation mark opens a cell"),
        (b'a,b\n1,"2"x', "Row 2: after a quotation mark the cell goes on"),
        (b"a,a\n1,2", "Two columns are named “a”"),
        (b"a,b{c\n1,2", "brace"),
        (b"a," + b"b" * 101, "longer than 100 characters"),
        (b",".join(b"c%d" % n for n in range(101)), "101 columns; 100 are the most"),
        (b"a\n" + b"x" * 20_001, "Row 2: cell 1 has 20,001 characters"),
        (b'a,b\n1,"' + b"x\n" * 100_000, "Row 2: a quotation mark opens a cell"),
        (b"PK\x03\x04rest", "a spreadsheet"),
        ("a,b\n1,2".encode("utf-16-le"), "binary, or UTF-16 without a mark"),
        (b"a,b\n\x81,2", "neither UTF-8 nor Windows-1252"),
        (b"\xef\xbb\xbfa,b\n\xff,2", "says that it is UTF-8"),
        (b"\xff\xfea\x00,\x00b\x00\n\x00\x00\xd8", "says that it is UTF-16"),
        (b'{"a": 1}\n[1]', "Line 2 is no object"),
        (b'{"a": 1}\n{"a": NaN}', "Line 2: "),
        (b'{"a": 1}\n\n{"a": 1, "a": 2}', "Line 3: "),
        (b'{"a": 1}\n{"b": ', "Line 2: "),
        (b"{}\n{}", "no keys"),
        (b'{"": 1}', "A key is empty"),
        (b'{"a": "\xe9"}', "JSON lines are UTF-8"),
        (b'[{"a": 1}]', "one JSON list"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_place(data, words):
    with pytest.raises(TableError) as refused:
        read(data)
    assert words in str(refused.value)


def test_a_file_too_large_or_too_long_is_refused(monkeypatch):
    monkeypatch.setattr(tables, "MAX_ROWS", 3)
    assert len(read(b"a\n1\n2\n3")[1]) == 3
    with pytest.raises(TableError, match="more than 3 rows"):
        read(b"a\n1\n2\n3\n4")
    monkeypatch.setattr(tables, "MAX_BYTES", 2**20)
    with pytest.raises(TableError, match=r"1\.0 MB; 1 MB are the most"):
        read(b"a" * (2**20 + 1))


def test_the_stream_stays_open():
    stream = io.BytesIO(b"a,b\n1,2")
    table = open_table(stream)
    assert list(table) == list(table) == [{"a": "1", "b": "2"}]
    assert not stream.closed


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(st.lists(st.tuples(cells, cells), max_size=8), st.sampled_from([",", ";", "\t"]))
def test_any_table_that_was_written_is_read_back(rows, separator):
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, quoting=csv.QUOTE_ALL)
    writer.writerows([("first", "second"), *rows])
    columns, found = read(out.getvalue().encode())
    assert columns == ("first", "second")
    assert [tuple(row.values()) for row in found] == [row for row in rows if any(cell.strip() for cell in row)]


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data):
    try:
        columns, rows = read(data)
    except TableError:
        return
    assert all(tuple(row) == columns for row in rows)
