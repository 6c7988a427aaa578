"""How the tables of a folder are found, and images that a table has in its cells."""

import csv
import io
import json
import subprocess
import tomllib
import zipfile

import numpy as np
import pytest
from PIL import Image

from automask import init
from automask.data.decoding import decode
from automask.data.description import find_layout
from automask.errors import UserError
from automask.plugins.readers import folders
from automask.plugins.table_reader import table
from automask.storage.project import Project, activate


@pytest.fixture(autouse=True)
def project(tmp_path_factory):
    """The project whose cache has the images that tables hold."""
    home = Project(tmp_path_factory.mktemp("project"))
    activate(home)
    yield home
    activate(Project())


def draw(*files):
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2)).save(file)


def write(file, *rows):
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows(rows)


def refused(function, *arguments, **more):
    with pytest.raises(UserError) as error:
        function(*arguments, **more)
    return str(error.value)


def again(folder, tables):
    """What the reader understands once everything is written down."""
    return table(folder, **tables.arguments)


NAMES = [f"{n}.jpg" for n in range(4)]
ROWS = [["user.id", "image", "emotion"], *([f"u{n}", NAMES[n], "ab"[n % 2]] for n in range(4))]


@pytest.fixture
def legend(tmp_path):
    """Pictures in images/, and legend.csv that names them."""
    draw(*(tmp_path / "images" / name for name in NAMES))
    write(tmp_path / "legend.csv", *ROWS)
    return tmp_path


class TestTheOnlyTableThatNamesImages:
    def test_is_train_whatever_it_is_called(self, legend):
        tables = table(legend, target="emotion")
        assert tables.arguments["train"] == "legend.csv"
        assert tables.train.paths[0] == legend / "images" / "0.jpg"
        assert any(note.startswith("legend.csv is the train table") for note in tables.notes)
        assert again(legend, tables).train.ids == tables.train.ids

    def test_beside_others_that_name_none(self, legend):
        write(legend / "colours.csv", ["name", "code"], ["red", "1"], ["blue", "2"])
        write(legend / "submission.csv", ["image", "emotion"], [NAMES[0], "a"])
        (legend / "broken.csv").write_text("a,b\n1\n")
        tables = table(legend, target="emotion")
        assert tables.arguments["train"] == "legend.csv"
        assert "left alone: broken.csv, colours.csv, submission.csv (3 tables)" in tables.notes

    def test_several_are_named(self, legend):
        write(legend / "other.csv", *ROWS)
        sentence = refused(table, legend)
        assert "legend.csv, other.csv" in sentence
        assert "train = 'legend.csv'" in sentence
        assert len(table(legend, train="other.csv", target="emotion").train) == 4

    def test_goes_before_folders_of_pictures_that_are_no_classes(self, legend):
        (legend / "images").rename(legend / "leaf_pics")
        draw(*(legend / "thumbnails" / name for name in NAMES))
        draw(legend / "thumbnails" / "more.jpg")
        write(legend / "legend.csv", *ROWS, ["u", "more.jpg", "a"])
        layout = find_layout(legend)
        assert layout.reader == "table"
        assert len(layout.tables.train) == 5

    @pytest.mark.parametrize("name", ["labels", "legend"])
    def test_goes_before_a_single_folder_of_pictures(self, legend, name):
        (legend / "images").rename(legend / "leaf_pics")
        (legend / "legend.csv").rename(legend / f"{name}.csv")
        layout = find_layout(legend)
        assert layout.reader == "table"
        assert len(layout.tables.train) == 4

    def test_class_folders_stay_classes_beside_a_table_about_their_pictures(self, tmp_path):
        draw(*(tmp_path / label / name for label in "ab" for name in NAMES))
        rows = [[f"{label}/{name}", "camera"] for label in "ab" for name in NAMES]
        write(tmp_path / "info.csv", ["path", "camera"], *rows)
        assert len(find_layout(tmp_path).tables.train) == 8
        assert table(tmp_path) is None

    def test_numbers_of_classes_that_are_names_of_pictures_too(self, tmp_path):
        draw(*(tmp_path / label / f"{n}.jpg" for label in "012" for n in range(3)))
        write(tmp_path / "labels.csv", ["ClassId", "Name"], ["0", "x"], ["1", "y"], ["2", "z"])
        assert table(tmp_path) is None
        assert len(find_layout(tmp_path).tables.train) == 9

    def test_goes_on_as_folders_where_that_was_written(self, legend):
        (legend / "images").rename(legend / "leaf_pics")
        draw(*(legend / "thumbnails" / name for name in NAMES))
        (legend / "legend.csv").rename(legend / "labels.csv")
        assert find_layout(legend).reader == "table"
        assert len(folders(legend).train) == 8


class TestFolderOfTables:
    @pytest.mark.parametrize("place", ["csv", "annotations", "meta"])
    def test_is_read_beside_the_images(self, tmp_path, place):
        draw(*(tmp_path / "images" / name for name in [*NAMES, "t.jpg"]))
        write(tmp_path / place / "train.csv", *ROWS)
        write(tmp_path / place / "test.csv", ["image"], ["t.jpg"])
        write(tmp_path / place / "sample_submission.csv", ["image", "emotion"], ["t.jpg", "a"])
        tables = find_layout(tmp_path).tables
        assert len(tables.train) == 4 and tables.test.ids == ["t.jpg"]
        assert tables.arguments["sample"] == f"{place}/sample_submission.csv"
        assert len(again(tmp_path, tables).train) == 4

    def test_the_only_one_that_names_images(self, tmp_path):
        draw(*(tmp_path / "images" / name for name in NAMES))
        write(tmp_path / "tables" / "legend.csv", *ROWS)
        write(tmp_path / "tables" / "sizes.csv", ["what", "size"], ["a", "1"], ["b", "2"])
        assert find_layout(tmp_path).tables.arguments["train"] == "tables/legend.csv"


class TestRowNumbers:
    def draw(self, folder, *names):
        draw(*(folder / "images" / name for name in NAMES))
        rows = [[str(n), *row] for n, row in enumerate(zip(*names, "abab", strict=True))]
        write(folder / "train.csv", ["", *["id"][: len(names)], "label"], *rows)
        return table(folder)

    def test_are_left_alone(self, tmp_path):
        tables = self.draw(tmp_path, NAMES)
        assert "train.csv: 'Unnamed: 0' numbers the rows, left alone" in tables.notes
        assert tables.train.ids == NAMES
        assert tables.train.extra.shape[1] == 0

    def test_are_the_ids_where_nothing_else_names_images(self, tmp_path):
        tables = self.draw(tmp_path)
        assert tables.train.ids == list("0123")
        assert tables.train.paths[3] == tmp_path / "images" / "3.jpg"


class TestInit:
    def config(self, folder):
        return tomllib.loads((folder / "automask.toml").read_text("utf-8"))["data"]

    def test_takes_a_table(self, legend, project):
        write(
            legend / "other.csv",
            ["image", "label"],
            *([n, "ab"[i % 2]] for i, n in enumerate(NAMES)),
        )
        init(legend / "other.csv", folder=project)
        data = self.config(project.folder)
        assert data["reader"] == "table"
        assert data["train"] == "other.csv"
        assert data["path"] == str(legend)

    def test_a_table_is_relative_as_it_was_typed(self, legend, monkeypatch):
        write(
            legend / "other.csv",
            ["image", "label"],
            *([n, "ab"[i % 2]] for i, n in enumerate(NAMES)),
        )
        for here, typed, path in (
            (legend, "other.csv", "."),
            (legend.parent, f"{legend.name}/other.csv", legend.name),
        ):
            monkeypatch.chdir(here)
            init(typed, folder=Project(), force=True)
            assert self.config(here)["path"] == path

    def test_looks_into_the_only_folder(self, tmp_path, project):
        inner = tmp_path / "archive" / "set"
        draw(*(inner / label / name for label in "ab" for name in NAMES))
        lines = init(tmp_path, folder=project).lines
        assert self.config(project.folder)["path"] == str(inner)
        assert any(f"the data are in {inner}" in line for line in lines)

    def test_the_only_folder_may_be_part_of_the_layout(self, tmp_path):
        draw(*(tmp_path / "train" / label / name for label in "ab" for name in NAMES))
        assert find_layout(tmp_path).folder == tmp_path

    def test_what_is_not_there(self, tmp_path, project):
        assert "no such folder or table" in refused(init, tmp_path / "x.csv", folder=project)

    def test_names_that_are_not_utf_8(self, tmp_path, project):
        for label in ("고양이", "강아지"):
            draw(tmp_path / "tmp.jpg")
            place = bytes(tmp_path) + b"/" + label.encode("cp949")
            subprocess.run(["mkdir", place], check=True)
            subprocess.run(["mv", bytes(tmp_path / "tmp.jpg"), place + b"/1.jpg"], check=True)
        sentence = refused(init, tmp_path, folder=project)
        assert "2 names of files or folders aren't UTF-8: '강아지', '고양이' in cp949" in sentence
        assert f"convmv -f cp949 -t utf-8 -r --notest {tmp_path}" in sentence


def zipped(file, *names):
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "")


class TestWhatIsNotUnpacked:
    def test_is_named_beside_what_is_read(self, legend):
        write(
            legend / "train.csv",
            ["image", "label"],
            *([n, "ab"[i % 2]] for i, n in enumerate(NAMES)),
        )
        zipped(legend / "test.zip", "1.jpg", "2.jpg")
        (note,) = (n for n in find_layout(legend).tables.notes if "test.zip" in n)
        assert f"unzip -q {legend}/test.zip -d {legend}/test" in note

    @pytest.mark.parametrize("names", [NAMES, [f"images/{name}" for name in NAMES]])
    def test_is_no_matter_where_it_has_been(self, legend, names):
        write(
            legend / "train.csv",
            ["image", "label"],
            *([n, "ab"[i % 2]] for i, n in enumerate(NAMES)),
        )
        zipped(legend / "images.zip", *names)
        assert not any("images.zip" in note for note in find_layout(legend).tables.notes)

    def test_is_named_where_nothing_can_be_read(self, tmp_path, project):
        zipped(tmp_path / "data.zip", "train/a/1.jpg", "train/b/1.jpg")
        sentence = refused(init, tmp_path, folder=project)
        assert f"unzip -q {tmp_path}/data.zip -d {tmp_path}" in sentence
        assert "is an archive" in refused(init, tmp_path / "data.zip", folder=project)

    def test_is_named_where_images_are_missing(self, legend):
        write(legend / "train.csv", ["image", "label"], ["9.jpg", "a"], ["8.jpg", "b"])
        (legend / "train.tar.gz").touch()
        assert "tar -xf" in refused(find_layout, legend)

    def test_workbooks_are_named(self, tmp_path):
        (tmp_path / "legend.xlsx").touch()
        assert "legend.xlsx is a workbook" in refused(find_layout, tmp_path)


class TestSplitFolders:
    @pytest.mark.parametrize("kind", ["csv", "jsonl"])
    def test_hugging_face(self, tmp_path, kind):
        for split, count in (("train", 4), ("test", 2)):
            draw(*(tmp_path / split / name for name in NAMES[:count]))
            rows = [{"file_name": n, "label": i % 2} for i, n in enumerate(NAMES[:count])]
            file = tmp_path / split / f"metadata.{kind}"
            if kind == "csv":
                write(file, list(rows[0]), *(row.values() for row in rows))
            else:
                file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        tables = table(tmp_path)
        assert tables.arguments["train"] == f"train/metadata.{kind}"
        assert tables.arguments["test"] == f"test/metadata.{kind}"
        assert tables.train.paths == [tmp_path / "train" / name for name in NAMES]
        assert tables.test.paths == [tmp_path / "test" / name for name in NAMES[:2]]
        assert tables.train.attributes["label"].tolist() == ["0", "1", "0", "1"]
        assert again(tmp_path, tables).train.paths == tables.train.paths
        assert find_layout(tmp_path).reader == "table"

    def test_hugging_face_in_the_folder_itself(self, tmp_path):
        draw(*(tmp_path / "a" / name for name in NAMES))
        lines = [json.dumps({"file_name": f"a/{n}", "label": n[0]}) + "\n" for n in NAMES]
        (tmp_path / "metadata.jsonl").write_text("".join(lines))
        assert table(tmp_path, target="label").train.paths == [tmp_path / "a" / n for n in NAMES]

    @pytest.mark.parametrize("kind", ["single", "multi"])
    def test_roboflow(self, tmp_path, kind):
        for place, split in enumerate(("train", "valid", "test")):
            draw(*(tmp_path / split / name for name in NAMES))
            several = str(int(kind == "multi"))
            rows = [
                [n, "1", several] if i % 2 else [n, "0", "1"] for i, n in enumerate(NAMES[place:])
            ]
            (tmp_path / split / "_classes.csv").write_text(
                "filename, rust, scab\n" + "".join(", ".join(row) + "\n" for row in rows)
            )
        tables = table(tmp_path)
        assert tables.kind == kind
        assert tables.arguments["train"] == ["train/_classes.csv", "valid/_classes.csv"]
        assert len(tables.train) == 7
        assert tables.train.paths[-1] == tmp_path / "valid" / "3.jpg"
        assert len(tables.test) == 2
        assert len({*tables.train.ids, *tables.test.ids}) == 9
        assert any("valid/_classes.csv is trained on" in note for note in tables.notes)
        assert again(tmp_path, tables).train.paths == tables.train.paths

    def test_lines_are_those_of_their_own_file(self, tmp_path):
        for split in ("train", "valid"):
            draw(*(tmp_path / split / name for name in NAMES))
            rows = [[n, "ab"[i % 2]] for i, n in enumerate(NAMES)]
            write(tmp_path / split / "_classes.csv", ["filename", "label"], *rows)
        (tmp_path / "valid" / "2.jpg").unlink()
        assert "valid/_classes.csv, line 4: no image" in refused(table, tmp_path)

    def test_broken_json_lines(self, legend):
        (legend / "train.jsonl").write_text('{"image": "0.jpg"}\n{"image": \n')
        assert "train.jsonl, line 2: isn't JSON" in refused(table, legend, train="train.jsonl")
        (legend / "train.jsonl").write_text("[1]\n")
        assert "isn't an object" in refused(table, legend, train="train.jsonl")


def pixels(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 64), np.uint8)


class TestPixels:
    def header(self, style):
        square = [f"{row}x{column}" for row in range(1, 9) for column in range(1, 9)]
        return square if style == "1x1" else [f"{style}{n}" for n in range(64)]

    @pytest.mark.parametrize("style", ["pixel", "px_", "", "1x1"])
    def test_in_columns_as_digit_recognizer(self, tmp_path, style, project):
        train, test = pixels(6), pixels(3, 1)
        columns = self.header(style)
        write(
            tmp_path / "train.csv",
            ["label", *columns],
            *([i % 2, *row] for i, row in enumerate(train)),
        )
        write(tmp_path / "test.csv", columns, *test)
        write(
            tmp_path / "sample_submission.csv", ["ImageId", "Label"], *([n, 0] for n in (1, 2, 3))
        )
        tables = table(tmp_path)
        for rows, drawn in ((tables.train, train), (tables.test, test)):
            for path, row in zip(rows.paths, drawn, strict=True):
                assert project.runs in path.parents
                assert (decode(path)[..., 0] == row.reshape(8, 8)).all()
        assert tables.train.attributes["label"].tolist() == ["0", "1"] * 3
        assert tables.test.ids == ["1", "2", "3"]
        assert any(
            "test.csv have no ids: they are those of sample_submission.csv" in n
            for n in tables.notes
        )
        assert sorted(p.name for p in tmp_path.iterdir()) == [
            "sample_submission.csv",
            "test.csv",
            "train.csv",
        ]
        written = {path: path.stat().st_mtime_ns for path in tables.train.paths}
        assert {p: p.stat().st_mtime_ns for p in again(tmp_path, tables).train.paths} == written

    def test_in_a_cell_as_fer2013(self, tmp_path):
        train = pixels(4)
        rows = [[i % 2, " ".join(map(str, row)), "Training"] for i, row in enumerate(train)]
        write(tmp_path / "fer2013.csv", ["emotion", "pixels", "Usage"], *rows)
        tables = table(tmp_path, target="emotion")
        assert tables.arguments["train"] == "fer2013.csv"
        assert (decode(tables.train.paths[3])[..., 1] == train[3].reshape(8, 8)).all()
        assert len({*tables.train.ids}) == 4

    def test_of_three_bands_beside_an_id(self, tmp_path):
        colours = np.random.default_rng(0).integers(0, 256, (4, 192), np.uint8)
        rows = [[f"x{i}", *row, "ab"[i % 2]] for i, row in enumerate(colours)]
        write(tmp_path / "train.csv", ["id", *(f"pixel{n:04}" for n in range(192)), "label"], *rows)
        tables = table(tmp_path)
        assert tables.train.ids == ["x0", "x1", "x2", "x3"]
        assert (decode(tables.train.paths[1]) == colours[1].reshape(8, 8, 3)).all()

    def test_without_a_header_as_mnist(self, tmp_path):
        drawn = pixels(4)
        write(tmp_path / "train.csv", *([i % 2, *row] for i, row in enumerate(drawn)))
        tables = table(tmp_path)
        assert tables.train.attributes["label"].tolist() == ["0", "1", "0", "1"]
        assert (decode(tables.train.paths[0])[..., 0] == drawn[0].reshape(8, 8)).all()

    def test_classes_as_numbered_columns_are_no_pixels(self, tmp_path):
        draw(*(tmp_path / "images" / name for name in NAMES))
        rows = [[name[0], *(int(c == i % 2) for c in range(64))] for i, name in enumerate(NAMES)]
        write(tmp_path / "train.csv", ["id", *range(64)], *rows)
        assert table(tmp_path, target="1").train.paths[0] == tmp_path / "images" / "0.jpg"

    @pytest.mark.parametrize(
        ("count", "value", "why"),
        [(64, "256", "from 0 to 255"), (64, "x", "isn't a number"), (65, "7", "no square")],
    )
    def test_refused(self, tmp_path, count, value, why):
        first, second = [9] * count, [value, *[9] * (count - 1)]
        write(
            tmp_path / "train.csv",
            ["label", *(f"pixel{n}" for n in range(count))],
            ["a", *first],
            ["b", *second],
        )
        assert why in refused(table, tmp_path)


class TestParquet:
    def test_a_table(self, legend):
        import pandas as pd

        pd.DataFrame(ROWS[1:], columns=ROWS[0]).assign(
            size=[1, None, 3, 4], many=[[1, 2]] * 4
        ).astype({"size": "Int64"}).to_parquet(legend / "train.parquet")
        (legend / "legend.csv").unlink()
        tables = table(legend, target="emotion")
        assert tables.train.attributes["emotion"].tolist() == ["a", "b", "a", "b"]
        assert tables.train.extra["size"].tolist() == ["1", "", "3", "4"]
        assert tables.train.extra["many"].tolist() == ["1,2"] * 4

    def test_images_and_names_of_classes_as_hugging_face_has_them(self, tmp_path):
        import pyarrow as pa
        from pyarrow import parquet

        images = []
        for shade in (10, 200, 30):
            file = io.BytesIO()
            Image.new("L", (5, 4), shade).save(file, "PNG")
            images.append({"bytes": file.getvalue(), "path": None})
        features = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
        about = {"huggingface": json.dumps({"info": {"features": features}})}
        columns = pa.table({"image": images, "label": [1, 0, 1]}).replace_schema_metadata(about)
        parquet.write_table(columns, tmp_path / "train.parquet")
        tables = table(tmp_path)
        assert tables.train.attributes["label"].tolist() == ["dog", "cat", "dog"]
        assert [decode(path)[0, 0, 0] for path in tables.train.paths] == [10, 200, 30]
        assert tables.train.paths[0].suffix == ".png"

    def test_broken(self, tmp_path):
        (tmp_path / "train.parquet").write_bytes(b"PAR1")
        assert "can't be read as Parquet" in refused(table, tmp_path)

    def test_without_pyarrow(self, tmp_path, monkeypatch):
        import sys

        monkeypatch.setitem(sys.modules, "pyarrow", None)
        (tmp_path / "train.parquet").touch()
        assert "pip install 'automask[parquet]'" in refused(table, tmp_path)
