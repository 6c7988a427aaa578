"""Tables as text: encodings, separators, headers, blanks, and what is no table."""

import csv
import gzip
import io
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automask.data.csv_file import read_csv
from automask.errors import UserError

# Python's writer leaves a lone \r unquoted where its lines end otherwise.
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=6)


@pytest.fixture
def read(tmp_path):
    """What is read of a file with these bytes or this text."""

    def read(content, encoding="utf-8"):
        file = tmp_path / "train.csv"
        file.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return read_csv(file)

    return read


@pytest.fixture
def refused(read):
    """The sentence with which such a file is refused."""

    def refused(content, encoding="utf-8"):
        with pytest.raises(UserError) as error:
            read(content, encoding)
        return str(error.value)

    return refused


def rows(table):
    return [list(table.columns), *map(list, zip(*table.columns.values(), strict=True))]


class TestWrittenAndReadBack:
    @settings(max_examples=150, deadline=None)
    @given(
        st.integers(1, 4).flatmap(
            lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=5)
        ),
        st.sampled_from(",;\t|"),
        st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
        st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        st.sampled_from(["\n", "\r\n", "\r"]),
        st.booleans(),
    )
    def test_in_any_dress(self, drawn, separator, encoding, quoting, end, excel):
        width = len(drawn[0]) if drawn else 2
        # A row of blanks is no row.
        cells = [row for row in drawn if any(cell.strip() for cell in row)] or [["x"] * width]
        table = [[f"name {n}" for n in range(width)], *cells]
        text = io.StringIO(newline="")
        text.write(f"sep={separator}{end}" if excel else "")
        quoting = csv.QUOTE_ALL if end == "\r" else quoting
        csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=end).writerows(table)
        with tempfile.TemporaryDirectory() as name:
            file = Path(name) / "train.csv"
            file.write_bytes(text.getvalue().encode(encoding))
            back = read_csv(file)
        assert rows(back) == [[cell.strip() for cell in row] for row in table]
        assert len(back.lines) == len(cells)

    @pytest.mark.parametrize(
        ("encoding", "header", "labels"),
        [
            ("cp949", "image,label", ["고양이", "강아지"]),
            ("cp949", "이미지,라벨", ["남", "여"]),
            ("cp932", "image,label", ["猫", "犬"]),
            ("cp932", "画像,ラベル", ["表1", "ソフト"]),
            ("cp1252", "image,label", ["café", "Größe"]),
            ("cp1252", "image,label", ["école", "señal – 2"]),
            ("cp1252", "image,label", ["Äpfel", "Öl"]),
        ],
    )
    def test_in_what_was_usual_before_utf_8(self, read, encoding, header, labels):
        text = f"{header}\na.jpg,{labels[0]}\nb.jpg,{labels[1]}\n"
        table = read(text, encoding)
        assert list(table.columns.values())[1] == labels
        (note,) = table.notes
        assert f"read as {encoding}" in note
        assert f"iconv -f {encoding} -t utf-8" in note

    @pytest.mark.parametrize("encoding", ["utf-16le", "utf-16be"])
    def test_in_utf_16_without_its_mark(self, read, encoding):
        assert read("image,label\na.jpg,고양이\nb.jpg,cat\n", encoding)["label"][0] == "고양이"

    def test_quoted_newlines_are_cells_and_count_as_lines(self, read):
        table = read('id,label\na,"x\ny"\n\nb,"z"\n')
        assert table["label"] == ["x\ny", "z"]
        assert table.lines == [2, 5]

    def test_the_line_sep_counts(self, read):
        assert read("sep=;\r\nid;label\r\na,b;x\r\n").lines == [3]


class TestMended:
    def test_blanks_around_cells_and_quotes(self, read):
        table = read('id, path , label\na, images/a.jpg, "x, y"\nb,\timages/b.jpg,x \n')
        assert rows(table)[1:] == [["a", "images/a.jpg", "x, y"], ["b", "images/b.jpg", "x"]]
        assert list(table.columns) == ["id", "path", "label"]
        assert table.notes == ()

    def test_blanks_that_made_two_of_one_are_noted(self, read):
        (note,) = read("id,label\na,cat\nb,cat \n").notes
        assert "'label' are taken off ('cat ')" in note

    def test_empty_columns_and_rows(self, read):
        table = read("id,label,,\na,x,,\n,,,\nb,y,,\n\n")
        assert rows(table) == [["id", "label"], ["a", "x"], ["b", "y"]]
        assert any("2 columns without a name" in note for note in table.notes)

    @pytest.mark.parametrize("text", ["id,label\na,x,\nb,y,,\n", "id,label,\na,x\nb,y\n"])
    def test_separators_at_the_end_of_some_lines(self, read, text):
        assert rows(read(text)) == [["id", "label"], ["a", "x"], ["b", "y"]]

    def test_a_column_without_a_name_is_called_as_in_pandas(self, read):
        assert list(read(",id,label\n0,a,x\n1,b,y\n").columns) == ["Unnamed: 0", "id", "label"]

    def test_a_header_that_comes_again(self, read):
        table = read("id,label\na,x\nid,label\nb,y\n")
        assert table["id"] == ["a", "b"]
        assert table.lines == [2, 4]
        assert "the header comes again in 1 rows" in table.notes[0]

    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("cat.JPG,cat\ndog.jpg,dog\n", ["image", "label"]),
            ("cat,a/1.png\ndog,a/2.png\n", ["label", "image"]),
            ("1.png,3,cat\n2.png,4,dog\n", ["image", "column 2", "column 3"]),
        ],
    )
    def test_a_header_that_names_an_image_is_data(self, read, text, names):
        table = read(text)
        assert list(table.columns) == names
        assert table.lines == [1, 2]
        assert "has no header" in table.notes[0]


class TestRefused:
    @pytest.mark.parametrize(
        ("text", "encoding", "lines"),
        [
            ("image,label\na.jpg,猫\nb.jpg,狗\n", "gb18030", ("-f cp949", "-f gb18030", "猫")),
            ("image,label\na.jpg,남\nb.jpg,여\n", "cp949", ("-f cp949", "-f gb18030", "여")),
            ("image,label\na.jpg,Собака\n", "cp1251", ("-f ENCODING",)),
            ("image,label\na.jpg,łódź\n", "cp1250", ("-f ENCODING",)),
            ("image,label\na.jpg,café\n", "mac-roman", ("-f ENCODING",)),
        ],
    )
    def test_an_encoding_that_can_not_be_told(self, refused, text, encoding, lines):
        sentence = refused(text, encoding)
        assert "isn't UTF-8 text" in sentence
        assert all(line in sentence for line in lines)

    def test_what_is_named_csv_but_is_not(self, refused):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("train.csv", "id,label\n")
        assert "a zip" in (sentence := refused(packed.getvalue()))
        assert "unzip" in sentence
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("xl/workbook.xml", "")
        assert "Excel workbook" in refused(packed.getvalue())
        assert "gzip" in refused(gzip.compress(b"id,label\n"))
        assert "Parquet" in refused(b"PAR1\x15\x04")
        assert "web page" in refused(b"\n<!DOCTYPE html><html>")
        assert "Git LFS" in refused(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")

    def test_nul_bytes(self, refused):
        assert "line 2: has NUL bytes" in refused(b"id,label\na,x\0\n")

    @pytest.mark.parametrize("row", ["b,y,z", "b"])
    def test_ragged_rows(self, refused, row):
        assert "line 3" in refused(f"id,label\na,x\n{row}\n")

    def test_a_name_for_two_columns(self, refused):
        assert "more than one column 'id'" in refused("id,id \na,x\n")
