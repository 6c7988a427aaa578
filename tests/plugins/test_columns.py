"""What the columns of a table mean: labels and their spellings, kinds of target, and rows that belong
together."""

import csv
import tomllib
import unicodedata

import pytest
from PIL import Image

from automask.data import config
from automask.data.columns import guess_columns
from automask.data.csv_file import read_csv
from automask.data.image_files import Images
from automask.data.label_sets import guess_separator, split_cell
from automask.errors import UserError
from automask.plugins.table_reader import table
from automask.storage.project import Project


@pytest.fixture
def task(tmp_path):
    """Writes a table of which each row's picture is drawn, and gives the folder."""

    def write(name, header, *rows, image=None, folder="images"):
        with open(tmp_path / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
        for row in rows if image is not None else ():
            path = tmp_path / folder / row[image]
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (2, 2), (len(str(row)), 0, 0)).save(path)
        return tmp_path

    return write


def labelled(task, labels, *, header=("image", "label"), folder="images"):
    """A train table of one label a picture."""
    return task("train", header, *((f"{i}.png", text) for i, text in enumerate(labels)), image=0)


def labels(tables):
    (column,) = (tables.train.attributes[name].tolist() for name in tables.train.attributes)
    return column


def note(tables, *words):
    """The only note with these words."""
    (one,) = (note for note in tables.notes if all(word in note for word in words))
    return one


def line(note, key):
    """What the line for `automask.toml` that a note names gives a key."""
    text = note[note.index(f"{key} = ") :]
    for end in range(len(text), 0, -1):
        try:
            return tomllib.loads(text[:end])[key]
        except tomllib.TOMLDecodeError:
            continue
    raise AssertionError(note)


def refusal(folder, **arguments):
    with pytest.raises(UserError) as error:
        table(folder, **arguments)
    return str(error.value)


def again(tables, folder, tmp_path):
    """The tables read once more, as the file that `init` writes says."""
    (tmp_path / "automask.toml").write_text(config.render(str(folder), "table", tables), "utf-8")
    project = Project(tmp_path)
    return config.read(config.load(project), project, None)


class TestLabelTexts:
    def test_blanks_around_a_label_are_taken_away(self, task):
        tables = table(labelled(task, ["cat", "cat ", " dog", "dog", "dog\u200b", "cat\u00a0"]))
        assert labels(tables) == ["cat", "cat", "dog", "dog", "dog", "cat"]
        # The invisible one is no blank of a CSV's.
        assert "around cells of 'label'" in note(tables, "blanks", "are taken off")
        assert "around 1 label of column 'label'" in note(tables, "blanks", "are taken away")

    @pytest.mark.parametrize(
        ("spellings", "merge"),
        [
            (["cat", "Cat", "cat", "dog"], {"Cat": "cat"}),
            (["DOG", "dog", "Dog", "dog", "cat"], {"DOG": "dog", "Dog": "dog"}),
            (["not wear", "not_wear", "not wear", "x y"], {"not_wear": "not wear"}),
            (["01", "1", "1", "x"], {"01": "1"}),
            (["Ａ", "A", "A", "B"], {"Ａ": "A"}),
            (["0", "0.0", "0", "rest"], {"0.0": "0"}),
            (['ä"1', 'Ä"1', 'ä"1', "b"], {'Ä"1': 'ä"1'}),
        ],
    )
    def test_spellings_are_named_with_the_line_that_merges_them(self, task, spellings, merge):
        folder = labelled(task, spellings)
        tables = table(folder, kind="classes")
        assert labels(tables) == spellings
        assert "merge" not in tables.arguments
        assert line(note(tables, "spelling"), "merge") == merge
        merged = table(folder, merge=merge)
        assert labels(merged) == [merge.get(text, text) for text in spellings]
        assert not any("spelling" in note for note in merged.notes)
        assert merged.arguments["merge"] == merge

    def test_the_line_holds_earlier_merges_too(self, task):
        folder = labelled(task, ["cat", "CAT", "cat", "dog", "DOG", "dog"])
        tables = table(folder, merge={"CAT": "cat"})
        assert line(note(tables, "spelling"), "merge") == {"CAT": "cat", "DOG": "dog"}

    @pytest.mark.parametrize("others", [["cat", "dog"], ["A", "A-"], ["-1", "1"], ["a1", "a 1"]])
    def test_other_labels_are_no_spellings(self, task, others):
        tables = table(labelled(task, others * 3), kind="classes")
        assert not any("spelling" in note for note in tables.notes)

    def test_unicode_forms_are_one_label(self, task):
        composed, decomposed = (unicodedata.normalize(form, "고양이") for form in ("NFC", "NFD"))
        tables = table(labelled(task, [composed, decomposed, "개", decomposed]))
        assert labels(tables) == [composed, composed, "개", composed]
        assert composed in note(tables, "Unicode")
        assert labels(table(labelled(task, [decomposed, "x"]))) == [decomposed, "x"]

    @pytest.mark.parametrize(
        ("texts", "expected"),
        [
            (["0", "0.0", "1", "1.00"], ["0", "0", "1", "1"]),
            (["1.0", "0.0", "1.0", "0.0"], ["1.0", "0.0", "1.0", "0.0"]),
            (["01", "02", "01", "02"], ["01", "02", "01", "02"]),
            (["0", "0.0", "00", "1"], ["0", "0.0", "00", "1"]),
        ],
    )
    def test_equal_numbers_are_one_label_and_codes_are_texts(self, task, texts, expected):
        assert labels(table(labelled(task, texts))) == expected

    def test_a_label_that_may_be_an_empty_cell_is_named(self, task):
        assert "(2 rows)" in note(table(labelled(task, ["nan", "cat", "nan", "dog"])), "'nan'")

    def test_a_merge_of_what_is_no_label_is_refused(self, task):
        sentence = refusal(labelled(task, ["cat", "dog"]), merge={"Cat": "cat"})
        assert "merge: 'Cat' is no label: did you mean 'cat'?" in sentence

    def test_merge_comes_back_from_the_file(self, task, tmp_path):
        folder = labelled(task, ["cat", "Cat", "dog"])
        tables = table(folder, merge={"Cat": "cat"})
        assert labels(again(tables, folder, tmp_path)) == ["cat", "cat", "dog"]


class TestRepeats:
    ROWS = (("a.png", "cat"), ("b.png", "dog"), ("a.png", "cat"), ("c.png", "dog"))

    def test_a_repeat_is_left_out(self, task):
        tables = table(task("train", ["image", "label"], *self.ROWS, image=0))
        assert tables.train.ids == ["a.png", "b.png", "c.png"]
        assert labels(tables) == ["cat", "dog", "dog"]
        assert "lines 2, 4" in note(tables, "left out: 1 row")

    def test_of_other_ids_too(self, task):
        rows = [(i, *row) for i, row in enumerate(self.ROWS)]
        tables = table(task("train", ["id", "image", "label"], *rows, image=1))
        assert tables.train.ids == ["0", "1", "3"]

    def test_contradictions_are_listed(self, task):
        rows = (*self.ROWS, ("b.png", "cat"), ("c.png", "cat"))
        sentence = refusal(task("train", ["image", "label"], *rows, image=0))
        assert (
            "2 files contradict each other: lines 3, 6 say 'dog' and 'cat', lines 5, 7" in sentence
        )
        assert "kind = 'multi'" in sentence

    def test_a_contradiction_in_spelling_names_merge(self, task):
        rows = (*self.ROWS, ("b.png", "DOG"))
        folder = task("train", ["image", "label"], *rows, image=0)
        assert "merge" in refusal(folder)
        assert len(table(folder, merge={"DOG": "dog"}).train) == 3

    def test_objects_of_one_picture_are_rows_by_their_boxes(self, task):
        header = ["id", "image", "label", "xmin", "ymin", "xmax", "ymax"]
        rows = [("1", "a.png", "cat", 0, 0, 1, 1), ("2", "a.png", "dog", 1, 1, 2, 2)]
        assert len(table(task("train", header, *rows, image=1)).train) == 2

    def test_rows_of_a_file_are_its_labels_where_the_user_says_so(self, task):
        rows = (*self.ROWS, ("b.png", "cat"))
        tables = table(task("train", ["image", "label"], *rows, image=0), kind="multi")
        assert tables.kind == "multi"
        assert tables.train.attributes.to_dict("list") == {
            "cat": ["1", "1", "0"],
            "dog": ["0", "1", "1"],
        }
        assert tables.arguments["kind"] == "multi"


class TestGroups:
    @pytest.mark.parametrize("name", ["breed_id", "group", "subject"])
    @pytest.mark.parametrize("codes", [[0, 1, 2], [0, 1, 1], [5, 5, 6]])
    def test_the_target_in_other_words_is_no_group(self, task, name, codes):
        rows = [(f"{i}.png", ["beagle", "boxer", "pug"][i % 3], codes[i % 3]) for i in range(12)]
        folder = task("train", ["image", "breed", name], *rows, image=0)
        tables = table(folder, target="breed")
        assert tables.train.groups is None
        assert line(note(tables, "no group"), "group") == name
        assert table(folder, target="breed", group=name).train.groups is not None

    def test_patients_of_one_label_each_are_a_group(self, task):
        rows = [(f"{i}.png", ["ill", "well"][i // 2 % 2], f"p{i // 2}") for i in range(16)]
        tables = table(task("train", ["image", "label", "patient"], *rows, image=0))
        assert tables.arguments["group"] == "patient"

    def test_the_number_of_a_class_is_no_id(self, task):
        rows = [(f"{i}.png", ["cat", "dog"][i % 2], i % 2) for i in range(8)]
        tables = table(task("train", ["image", "label", "id"], *rows, image=0))
        assert tables.arguments["id"] == "image"


class TestParts:
    def rows(self, values, count=8):
        return [(f"{i}.png", "ab"[i % 2], values[i // 2 % len(values)]) for i in range(count)]

    @pytest.mark.parametrize(
        ("name", "values", "rule"),
        [
            ("split", ["train", "train", "valid", "test"], "split: test"),
            (
                "Usage",
                ["Training", "Training", "PublicTest", "PrivateTest"],
                "Usage: PublicTest, PrivateTest",
            ),
            ("subset", ["TRAIN", "TEST"], "subset: TEST"),
            ("is_test", ["0", "1"], "is_test: 1"),
            ("is_training_image", ["True", "False"], "is_training_image: False"),
        ],
    )
    def test_rows_of_test_are_held_out(self, task, name, values, rule):
        rows = self.rows(values)
        tables = table(task("train", ["image", "label", name], *rows, image=0))
        held = set(rule.split(": ")[1].split(", "))
        assert tables.train.ids == [row[0] for row in rows if row[2] not in held]
        assert tables.test.ids == [row[0] for row in rows if row[2] in held]
        assert tables.test.extra["label"].tolist() == [row[1] for row in rows if row[2] in held]
        assert tables.arguments["held_out"] == rule
        assert line(note(tables, "held out"), "held_out") == ""

    def test_it_can_be_said_and_declined(self, task, tmp_path):
        folder = task("train", ["image", "label", "split"], *self.rows(["train", "test"]), image=0)
        tables = table(folder, held_out="")
        assert len(tables.train) == 8 and tables.test is None
        assert tables.arguments["held_out"] == ""
        assert len(again(tables, folder, tmp_path).train) == 8
        assert len(again(table(folder), folder, tmp_path).train) == 4
        assert "did you mean 'test'?" in refusal(folder, held_out="split: tset")
        assert "every row" in refusal(folder, held_out="split: train, test")
        assert "isn't a column and its values" in refusal(folder, held_out="split")

    @pytest.mark.parametrize(
        ("name", "values", "rule"),
        [
            ("split", ["train", "val"], "split: val"),
            ("is_valid", ["False", "True"], "is_valid: True"),
            ("split", ["train", "dev", "test"], "split: test, dev"),
        ],
    )
    def test_rows_of_validation_are_trained_on_and_told(self, task, name, values, rule):
        folder = task("train", ["image", "label", name], *self.rows(values, 12), image=0)
        tables = table(folder)
        dev = [value for value in values if value != "test"]
        assert len(tables.train) == 12 * len(dev) / len(values) and len(dev) == 2
        assert line(note(tables, "scored by folds"), "held_out") == rule
        assert len(table(folder, held_out=rule).train) == 12 / len(values)

    def test_another_test_table_is_predicted_instead(self, task):
        task("test", ["image"], ("t.png",), image=0)
        folder = task("train", ["image", "label", "split"], *self.rows(["train", "test"]), image=0)
        tables = table(folder)
        assert len(tables.train) == 4 and tables.test.ids == ["t.png"]
        assert note(tables, "4 rows held out aren't predicted")

    def test_the_sample_may_ask_for_the_rows_held_out(self, task):
        folder = task("train", ["image", "label", "split"], *self.rows(["train", "test"]), image=0)
        task("sample_submission", ["image", "label"], *((f"{i}.png", "a") for i in (7, 6, 3, 2)))
        assert table(folder).test.ids == ["2.png", "3.png", "6.png", "7.png"]

    def test_rows_of_test_need_no_label(self, task):
        rows = [
            (f"{i}.png", "ab"[i % 2] if i < 6 else "", "train" if i < 6 else "test")
            for i in range(8)
        ]
        tables = table(task("train", ["image", "label", "set"], *rows, image=0))
        assert len(tables.train) == 6 and len(tables.test) == 2

    @pytest.mark.parametrize("place", ["", "./", "data/", "C:\\data\\"])
    def test_rows_whose_images_lie_in_a_folder_of_test_are_held_out(self, task, tmp_path, place):
        parts = ["train", "train", "Test", "valid"]
        names = [f"{parts[i // 2 % 4]}/{i}.png" for i in range(8)]
        for name in names:
            task("empty", [name], [name], image=0, folder="")
        (tmp_path / "empty.csv").unlink()
        slash = "\\" if "\\" in place else "/"
        cells = [place + name.replace("/", slash) for name in names]
        task("train", ["file_name", "label"], *((c, "ab"[i % 2]) for i, c in enumerate(cells)))
        tables = table(tmp_path)
        assert tables.train.ids == [cell for cell in cells if "Test" not in cell]
        assert tables.test.ids == [cell for cell in cells if "Test" in cell]
        folder = place.replace("\\", "/")
        assert tables.arguments["held_out"] == f"file_name: {folder}Test/"
        assert line(note(tables, "held out"), "held_out") == ""
        rule = line(note(tables, "scored by folds"), "held_out")
        assert len(table(tmp_path, held_out=rule).train) == 4
        assert again(tables, tmp_path, tmp_path).train.ids == tables.train.ids
        assert len(table(tmp_path, held_out="").train) == 8

    def test_folders_of_classes_called_test_are_none(self, task):
        rows = [(f"{['test', 'control'][i % 2]}/{i}.png", "ab"[i % 2]) for i in range(8)]
        assert len(table(task("train", ["image", "label"], *rows, image=0)).train) == 8

    def test_numbers_of_parts_are_told_and_left_alone(self, task):
        folder = task(
            "train", ["image", "label", "partition"], *self.rows(["0", "0", "1", "2"]), image=0
        )
        tables = table(folder)
        assert len(tables.train) == 8 and tables.train.folds is None
        rule = line(note(tables, "may be parts"), "held_out")
        assert len(table(folder, held_out=rule).test) == 2

    def test_a_label_of_these_words_is_a_label(self, task):
        tables = table(labelled(task, ["train", "car", "test", "train", "car"]))
        assert len(tables.train) == 5

    def test_the_users_folds(self, task):
        folder = task(
            "train", ["image", "label", "fold"], *self.rows(["0", "1", "2", "3"]), image=0
        )
        tables = table(folder)
        assert tables.train.folds == ["0", "0", "1", "1", "2", "2", "3", "3"]
        assert tables.arguments["folds"] == "fold"
        assert line(note(tables, "4 folds"), "folds") == ""
        assert table(folder, folds="").train.folds is None
        assert table(folder, folds="").arguments["folds"] == ""
        one = task("train", ["image", "label", "k"], *self.rows(["0"]), image=0)
        assert "a single fold" in refusal(one, folds="k")

    def test_columns_left_alone_are_named(self, task):
        rows = [(f"{i}.png", "ab"[i % 2], i, "x") for i in range(4)]
        tables = table(task("train", ["image", "label", "width", "camera"], *rows, image=0))
        assert "'width', 'camera'" in note(tables, "2 columns of train.csv left alone")


class TestKinds:
    FLAGS = ("healthy", "rust", "scab")

    def flags(self, task, *rows, header=FLAGS, sample=False):
        if sample:
            task("sample_submission", ["image", *header], ["t.png", *["0.25"] * len(header)])
        lines = [(f"{i}.png", *row) for i, row in enumerate(rows)]
        folder = task("train", ["image", *header], *lines, image=0)
        Image.new("RGB", (3, 3)).save(folder / "images" / "t.png")
        return folder

    @pytest.mark.parametrize(
        ("one", "zero"), [("1", "0"), ("1.0", "0.0"), ("True", "False"), ("1", "-1")]
    )
    @pytest.mark.parametrize("sample", [True, False])
    def test_a_column_a_class(self, task, tmp_path, one, zero, sample):
        rows = [[one if i % 3 == k else zero for k in range(3)] for i in range(6)]
        folder = self.flags(task, *rows, sample=sample)
        for tables in (read := table(folder), again(read, folder, tmp_path)):
            assert tables.kind == "single"
            assert tables.train.attributes.to_dict("list") == {"label": [*self.FLAGS, *self.FLAGS]}
            assert tables.arguments["kind"] == "one_hot"
            assert tables.arguments["target"] == [*self.FLAGS]
        assert note(read, "the classes", "kind = 'multi'")

    def test_a_column_a_label(self, task, tmp_path):
        folder = self.flags(task, (1, 0, 0), (0, 1, 1), (0, 0, 0), (0, 1, 0), sample=True)
        for tables in (read := table(folder), again(read, folder, tmp_path)):
            assert tables.kind == "multi"
            assert tables.train.attributes.to_dict("list") == {
                "healthy": ["1", "0", "0", "0"],
                "rust": ["0", "1", "0", "1"],
                "scab": ["0", "1", "0", "0"],
            }
            assert tables.arguments["kind"] == "multi"
        assert "from 0 to 2" in note(read, "labels")

    def test_targets_of_their_own(self, task):
        folder = self.flags(task, (1, 0), (0, 0), (1, 1), header=("mask", "gender"))
        tables = table(folder, target=["mask", "gender"])
        assert tables.kind == "single"
        assert list(tables.train.attributes) == ["mask", "gender"]
        three = self.flags(task, (1, 0, 0), (0, 1, 1))
        assert list(table(three, kind="classes").train.attributes) == [*self.FLAGS]
        assert table(three, kind="classes").kind == "single"

    def test_a_row_that_does_not_fit_is_named(self, task):
        folder = self.flags(task, (1, 0, 0), (0, 1, 1))
        sentence = refusal(folder, kind="one_hot")
        assert "train.csv, line 3" in sentence and "kind = 'multi'" in sentence
        folder = self.flags(task, (1, 0, 0), (0, -1, 1))
        sentence = refusal(folder, target=[*self.FLAGS], kind="multi")
        assert "line 3: '-1' of column 'rust' is neither 0 nor 1" in sentence

    @pytest.mark.parametrize(
        ("cells", "separator", "names"),
        [
            (["scab", "rust", "scab rust", "healthy"], " ", ["healthy", "rust", "scab"]),
            (["3 17 42", "3 9", "17 9 2", "42"], " ", ["2", "3", "9", "17", "42"]),
            (["16 0", "7 1 2 0", "5", "1"], " ", ["0", "1", "2", "5", "7", "16"]),
            (["Edema|Mass", "Mass", "No Finding"], "|", ["Edema", "Mass", "No Finding"]),
            (["cat, dog", "dog", "cat"], ",", ["cat", "dog"]),
            (["['a', 'b']", "['b']", "[]"], ",", ["a", "b"]),
        ],
    )
    def test_labels_in_a_cell(self, task, tmp_path, cells, separator, names):
        folder = labelled(task, cells, header=("image", "labels"))
        for tables in (read := table(folder), again(read, folder, tmp_path)):
            assert tables.kind == "multi"
            assert list(tables.train.attributes) == names
            assert tables.arguments["separator"] == separator
            for row, cell in enumerate(cells):
                has = [name for name in names if tables.train.attributes[name][row] == "1"]
                assert sorted(has) == sorted(split_cell(cell, separator))
        assert line(note(read, "read as several"), "separator") == ""
        single = table(folder, separator="")
        assert single.kind == "single" and labels(single) == cells

    @pytest.mark.parametrize(
        "cells",
        [
            ["wear", "incorrect", "not wear"],
            ["New York", "Paris", "New Delhi"],
            ["tench, Tinca tinca", "goldfish, Carassius auratus"],
            ["Paris, France", "Lyon, France", "Rome, Italy"],
            ["12,5", "7,25", "12,25", "7,5"],
            ["a;b", "c", "d"],
            ["bora bora", "bora", "tahiti"],
        ],
    )
    def test_names_of_several_words_are_one_label(self, cells):
        separator, sure = guess_separator(cells)
        assert separator == "" or not sure

    def test_words_that_recur_are_told(self, task):
        folder = labelled(task, ["black cat", "black dog", "cat", "dog"] * 2)
        tables = table(folder)
        assert tables.kind == "single" and "separator" not in tables.arguments
        assert line(note(tables, "black cat"), "separator") == " "
        assert list(table(folder, separator=" ").train.attributes) == ["black", "cat", "dog"]

    def test_an_empty_cell_has_no_label(self, task):
        tables = table(labelled(task, ["a|b", "", "b", "a|b"]), separator="|")
        assert tables.train.attributes["a"].tolist() == ["1", "0", "0", "1"]
        assert note(tables, "1 row", "no label")

    def test_labels_in_a_cell_are_cleaned_and_merged(self, task):
        folder = labelled(task, ["Cat|dog", "cat | dog", "dog", "cat"])
        tables = table(folder)
        assert line(note(tables, "spelling"), "merge") == {"Cat": "cat"}
        merged = table(folder, merge={"Cat": "cat"})
        assert merged.train.attributes.to_dict("list") == {
            "cat": ["1", "1", "0", "1"],
            "dog": ["1", "1", "1", "0"],
        }

    def test_a_number(self, task, tmp_path):
        texts = [f"{50 + 10 * (i * 7 % 30) / 30:.3f}" for i in range(30)]
        folder = labelled(task, texts, header=("image", "target"))
        for tables in (read := table(folder), again(read, folder, tmp_path)):
            assert (tables.kind, tables.metric) == ("number", "rmse")
            assert labels(tables) == texts
            assert tables.arguments["kind"] == "number"
        limits = line(note(read, "looks like a number"), "limits")
        assert len(set(labels(table(folder, limits=limits)))) == 3
        assert table(folder, limits=limits).kind == "single"
        assert table(folder, kind="classes").kind == "single"

    @pytest.mark.parametrize(
        ("name", "texts", "kind"),
        [
            ("label", [str(i % 5) for i in range(40)], "single"),
            ("label", [f"{i % 9 / 2}" for i in range(40)], "single"),
            ("label", [f"{i % 30:03}" for i in range(60)], "single"),
            ("label", [str(i % 30) for i in range(90)], "single"),
            ("target", [str(i * 37 % 101) for i in range(40)], "number"),
            ("age", [str(i % 40) for i in range(90)], "number"),
            ("target", [f"{i % 30},5" for i in range(40)], "number"),
        ],
    )
    def test_grades_and_codes_are_no_numbers(self, task, name, texts, kind):
        tables = table(labelled(task, texts, header=("image", name)), target=name)
        assert tables.kind == kind
        if texts[0].endswith(",5"):
            assert labels(tables)[0] == "0.5"

    def test_many_whole_numbers_are_told(self, task):
        tables = table(labelled(task, [str(i % 30) for i in range(90)]))
        assert line(note(tables, "30 whole numbers"), "kind") == "number"

    def test_a_cell_that_is_no_number_is_named(self, task):
        folder = labelled(task, ["1.5", "2.5", "x"])
        assert "line 4: 'x' in column 'label' isn't a number" in refusal(folder, kind="number")

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"kind": "mutli"}, "did you mean 'multi'?"),
            ({"kind": "number", "target": ["rust", "scab"]}, "for one target"),
            ({"separator": " ", "target": ["rust", "scab"]}, "for one target"),
            ({"kind": "one_hot", "target": "rust"}, "a column a class"),
            ({"kind": "number", "target": "rust", "limits": "rust: 1"}, "take one of them out"),
            ({"kind": "classes", "separator": " ", "target": "rust"}, "reads several labels"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, task, arguments, words):
        assert words in refusal(self.flags(task, (1, 0, 0), (0, 1, 1)), **arguments)

    def test_commas_between_thousands(self, task):
        cells = [*(f"{1000 + 137 * i:,}" for i in range(8)), "950", "1,234,567", "1,234,568"]
        tables = table(labelled(task, cells, header=("image", "price")))
        assert tables.kind == "number"
        assert labels(tables) == [cell.replace(",", "") for cell in cells]

    def test_commas_that_may_be_decimal_are_refused(self, task):
        folder = labelled(task, [f"{1 + i},{125 + i}" for i in range(8)], header=("image", "price"))
        assert "is a number of thousands or has a decimal comma" in refusal(folder)


class TestTargets:
    @pytest.mark.parametrize(
        ("header", "rows"),
        [
            (["image", "predictions"], [["t.png", "w1 w2 new"], ["u.png", "w2 w0"]]),
            (["image", "w0", "w1", "w2"], [["t.png", "0.3", "0.3", "0.3"]]),
            (["image", "label"], [["t.png", "0"]]),
        ],
    )
    def test_the_column_that_has_the_samples_answers(self, task, header, rows):
        lines = [(f"{i}.png", "ab"[i % 2], f"w{i % 3}") for i in range(12)]
        folder = task("train", ["image", "species", "individual_id"], *lines, image=0)
        task("sample_submission", header, *rows)
        csvs = {
            role: read_csv(folder / name)
            for role, name in {"train": "train.csv", "sample": "sample_submission.csv"}.items()
        }
        columns, notes = guess_columns(
            csvs, Images(folder), id=None, image=None, targets=[], group=None
        )
        target = "species" if header[-1] == "label" else "individual_id"
        assert columns.targets == (target,)
        assert any("sample submission's answers" in note for note in notes) == (target[0] == "i")

    def test_a_name_with_label_in_it(self, task):
        rows = [(f"{i}.png", "ab"[i % 2], i % 3) for i in range(12)]
        tables = table(task("train", ["image", "Finding Labels", "sites"], *rows, image=0))
        assert tables.arguments["target"] == "Finding Labels"
        assert note(tables, "target column", "unsure")

    def test_a_measure_beside_two_values_is_ambiguous(self, task):
        rows = [(f"{i}.png", str(12 + 7 * i), str(i % 2 == 0)) for i in range(12)]
        folder = task("train", ["id", "boneage", "male"], *rows, image=0)
        assert "'boneage', 'male'; say it with target" in refusal(folder)
        assert table(folder, target="boneage").kind == "number"

    def test_a_measure_is_the_target_where_nothing_else_is_left(self, task):
        rows = [(f"{i}.png", f"{12 + 7 * i}.5") for i in range(8)]
        assert table(task("train", ["image", "weight"], *rows, image=0)).kind == "number"

    def test_the_height_of_a_picture_is_no_measure(self, task):
        rows = [(f"{i}.png", str(12 + i), str(15 + i), "ab"[i % 2]) for i in range(8)]
        tables = table(task("train", ["image", "width", "height", "what"], *rows, image=0))
        assert list(tables.train.attributes) == ["what"]


class TestUnits:
    ROWS = tuple((f"p{i // 3}", f"{i}.png", "ab"[i // 3 % 2]) for i in range(12))

    def write(self, task, sample=True):
        if sample:
            task("sample_submission", ["patient", "label"], ["q0", "a"], ["q1", "a"])
        tests = [(f"q{i // 2}", f"t{i}.png") for i in range(4)]
        task("test", ["patient", "image"], *tests, image=1)
        return task("train", ["patient", "image", "label"], *self.ROWS, image=1)

    def test_an_id_of_several_pictures_is_the_unit(self, task, tmp_path):
        folder = self.write(task)
        for tables in (read := table(folder), again(read, folder, tmp_path)):
            assert tables.train.ids == [row[1] for row in self.ROWS]
            assert tables.train.units == [row[0] for row in self.ROWS]
            assert tables.test.units == ["q0", "q0", "q1", "q1"]
            assert tables.test.ids == ["t0.png", "t1.png", "t2.png", "t3.png"]
            assert tables.id_column == "patient"
            assert tables.arguments["unit"] == "patient"
        assert "12 rows" in note(read, "unit column 'patient'")

    def test_a_unit_is_said(self, task):
        folder = self.write(task, sample=False)
        tables = table(folder, unit="patient")
        assert tables.train.units == [row[0] for row in self.ROWS]
        assert tables.train.groups is None
        assert table(folder).train.units is None

    def test_a_few_repeated_ids_are_refused(self, task):
        folder = task(
            "train", ["id", "image", "label"], ("a", "1.png", "x"), ("a", "2.png", "y"), image=1
        )
        assert "unit = 'id'" in refusal(folder)

    def test_a_unit_can_be_declined(self, task):
        assert "unit = 'patient'" in refusal(self.write(task), unit="", id="patient")


class TestSample:
    def trained(self, task, labels="ab", count=8):
        rows = [(f"train_{i}.png", labels[i % 2], f"P{i // 2}") for i in range(count)]
        return task("train", ["image", "label", "patient_id"], *rows, image=0, folder="train")

    def predicted(self, task, *header, rows=None):
        rows = rows or [(f"t{i}.png",) for i in range(4)]
        return task("test", ["image", *header], *rows, image=0, folder="test")

    def test_its_ids_may_stand_last(self, task):
        self.trained(task)
        self.predicted(task)
        folder = task(
            "sample_submission", ["label", "image"], *(("a", f"t{i}.png") for i in range(4))
        )
        tables = table(folder)
        assert tables.id_column == "image" and list(tables.train.attributes) == ["label"]

    @pytest.mark.parametrize("form", ["t{}", "test/t{}.png", "test/t{}", "t{}.jpg"])
    def test_its_ids_may_lack_endings_or_have_folders(self, task, form):
        self.trained(task)
        self.predicted(task)
        asked = [form.format(i) for i in (3, 1, 0, 2)]
        folder = task("sample_submission", ["image", "label"], *((name, "a") for name in asked))
        tables = table(folder)
        assert sorted(tables.test.ids) == sorted(asked)
        paths = dict(zip(tables.test.ids, tables.test.paths, strict=True))
        assert [paths[name].stem for name in asked] == ["t3", "t1", "t0", "t2"]
        assert note(tables, "differ from test's in folder or ending")

    def test_ids_of_other_images_are_refused(self, task):
        self.trained(task)
        self.predicted(task)
        folder = task("sample_submission", ["image", "label"], *((f"t{i}", "a") for i in range(5)))
        assert "5 ids are no test ids" in refusal(folder)

    def test_it_may_ask_for_things_that_only_the_test_table_has(self, task):
        self.trained(task, "01")
        self.predicted(task, "prediction_id", rows=[(f"t{i}.png", f"Q{i // 2}") for i in range(4)])
        rows = [("Q0", "0.5"), ("Q1", "0.5")]
        tables = table(task("sample_submission", ["prediction_id", "label"], *rows))
        assert tables.test.units == ["Q0", "Q0", "Q1", "Q1"] and tables.train.units is None
        assert note(tables, "answered once for each")

    @pytest.mark.parametrize(
        ("ours", "asked", "merge"),
        [
            (["0", "1"], "False", {"0": "False", "1": "True"}),
            (["TRUE", "FALSE"], "0", {"FALSE": "0", "TRUE": "1"}),
        ],
    )
    def test_true_and_false_are_one_and_zero(self, task, tmp_path, ours, asked, merge):
        self.trained(task, ours)
        self.predicted(task)
        folder = task(
            "sample_submission", ["image", "label"], *((f"t{i}.png", asked) for i in range(4))
        )
        tables = table(folder)
        assert labels(tables)[:2] == [merge[text] for text in ours]
        assert tables.arguments["merge"] == merge
        assert note(tables, "labels as the sample submission has them")
        assert labels(again(tables, folder, tmp_path)) == labels(tables)
