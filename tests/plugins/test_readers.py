"""The readers: each layout, what is guessed, and every sentence that refuses."""

import csv
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from automask.data import config
from automask.data.label_texts import strip_blanks
from automask.data.synthetic.competition import draw_competition
from automask.errors import UserError
from automask.plugins.person_readers import person_folders
from automask.plugins.readers import folders
from automask.plugins.table_reader import table
from automask.storage.project import Project

TRAIN = "id,path,label,group\na,images/a.jpg,01,x\nb,images/b.jpg,NA,x\nc,images/c.jpg,01,y\n"
TEST = "id,path\nd,images/d.jpg\n"
SAMPLE = "id,label\nd,01\n"


def draw(*files):
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2)).save(file)


def write(folder, **texts):
    for name, text in texts.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")


def refused(reader, folder, **arguments):
    """The sentence with which a reader refuses."""
    with pytest.raises(UserError) as error:
        reader(folder, **arguments)
    return str(error.value)


@pytest.fixture
def task(tmp_path):
    """Four images, and the three CSVs that a competition has."""
    draw(*(tmp_path / "images" / f"{name}.jpg" for name in "abcd"))
    write(tmp_path, train=TRAIN, test=TEST, sample_submission=SAMPLE)
    return tmp_path


@pytest.fixture
def bare(tmp_path):
    """Four images named by their ids, and no CSV."""
    draw(*(tmp_path / "images" / f"{name}.jpg" for name in "abcd"))
    return tmp_path


class TestTable:
    def test_reads_a_competition(self, task):
        tables = table(task)
        assert tables.train.ids == ["a", "b", "c"]
        assert tables.train.paths[0] == task / "images" / "a.jpg"
        assert tables.train.attributes.to_dict("list") == {"label": ["01", "NA", "01"]}
        assert tables.train.groups == ["x", "x", "y"]
        assert tables.test.ids == ["d"]
        assert tables.test.paths == [task / "images" / "d.jpg"]
        assert tables.test.attributes.shape[1] == 0
        assert tables.sample.to_dict("list") == {"id": ["d"], "label": ["01"]}
        assert tables.id_column == "id"
        assert tables.codes is None

    def test_arguments_say_the_same_without_guessing(self, task):
        guessed = table(task)
        assert guessed.arguments == {
            "id": "id",
            "image": "path",
            "target": "label",
            "group": "group",
        }
        told = table(task, **guessed.arguments)
        assert told.notes == ()
        assert told.arguments == guessed.arguments
        assert told.train.paths == guessed.train.paths

    def test_every_guess_is_noted(self, task):
        notes = table(task).notes
        for start in ("image column 'path'", "id column 'id'", "target column 'label'"):
            assert any(note.startswith(start) for note in notes)
        assert "group column 'group': rows that share it stay on one side of a split" in notes

    def test_paths_stay_relative_to_the_folder_as_given(self, task, monkeypatch):
        monkeypatch.chdir(task.parent)
        assert table(Path(task.name)).train.paths[0] == Path(task.name) / "images" / "a.jpg"

    def test_other_columns_are_kept_as_they_were_read(self, task):
        write(task, train=TRAIN.replace("\n", ",007\n").replace("group,007", "group,size"))
        assert table(task).train.extra.to_dict("list") == {"size": ["007"] * 3}

    def test_byte_order_mark_and_semicolons(self, task):
        (task / "train.csv").write_text(TRAIN.replace(",", ";"), encoding="utf-8-sig")
        assert table(task).train.ids == ["a", "b", "c"]

    def test_several_targets_match_the_sample_by_name(self, task):
        train = "id,path,size,kind,colour\na,images/a.jpg,1,hat,red\nb,images/b.jpg,2,hat,blue\n"
        write(task, train=train, sample_submission="id,colour,kind\nd,red,hat\n")
        tables = table(task)
        assert list(tables.train.attributes) == ["kind", "colour"]
        assert tables.arguments["target"] == ["kind", "colour"]
        assert list(tables.sample) == ["id", "colour", "kind"]
        assert list(tables.train.extra) == ["size"]

    def test_one_answer_of_another_name_is_matched_by_position(self, task):
        write(task, sample_submission="id,prediction\nd,01\n")
        tables = table(task)
        assert "'prediction' of sample_submission.csv takes the answers of 'label'" in tables.notes
        assert list(tables.sample) == ["id", "prediction"]

    def test_answers_that_are_no_target_stay(self, task):
        write(task, sample_submission="id,label,usage\nd,01,public\n")
        assert any("'usage'" in note for note in table(task).notes)

    @pytest.mark.parametrize("name", ["Train", "train_labels", "labels", "Training"])
    def test_other_names_of_train(self, task, name):
        (task / "train.csv").rename(task / f"{name}.csv")
        tables = table(task)
        assert tables.arguments["train"] == f"{name}.csv"
        assert table(task, **tables.arguments).train.ids == ["a", "b", "c"]

    @pytest.mark.parametrize(
        "name", ["sampleSubmission", "sample_submission_v2", "SampleSubmission"]
    )
    def test_other_names_of_the_sample(self, task, name):
        (task / "sample_submission.csv").rename(task / f"{name}.csv")
        assert table(task).arguments["sample"] == f"{name}.csv"

    def test_train_csv_goes_before_other_names_and_says_so(self, task):
        write(task, train_labels="id,label\n")
        assert "train.csv is the train table, train_labels.csv is left alone" in table(task).notes

    def test_files_can_be_named_or_declined(self, task):
        (task / "train.csv").rename(task / "mine.csv")
        tables = table(task, train="mine.csv", test="", sample="")
        assert tables.test is None
        assert tables.sample is None
        assert tables.arguments["test"] == ""

    @pytest.mark.parametrize(
        "place", [".", "images", "train", "train_images", "img", "data/images"]
    )
    def test_image_is_the_stem_of_the_id_wherever_it_lies(self, tmp_path, place):
        draw(*(tmp_path / place / f"{name}.PNG" for name in ("001", "002")))
        write(tmp_path, train="id,label\n001,1\n002,2\n")
        tables = table(tmp_path)
        assert tables.train.paths == [tmp_path / place / f"{name}.PNG" for name in ("001", "002")]
        assert tables.arguments == {"id": "id", "image": "id", "target": "label"}

    def test_train_and_test_folders_are_told_apart(self, tmp_path):
        draw(*(tmp_path / "train" / f"{name}.jpg" for name in "abd"))
        draw(*(tmp_path / "test" / f"{name}.jpg" for name in "abd"))
        write(tmp_path, train="id,label\na,1\nb,2\n", test="id\nd\n")
        tables = table(tmp_path)
        assert tables.train.paths[0].parent.name == "train"
        assert tables.test.paths[0].parent.name == "test"
        assert not any("unsure: also in" in note for note in tables.notes)

    def test_labels_that_name_images_by_chance_are_no_image_column(self, tmp_path):
        draw(*(tmp_path / "images" / f"{number}.jpg" for number in range(6)))
        write(tmp_path, train="label,id\n" + "".join(f"{n % 2},{n}\n" for n in range(6)))
        tables = table(tmp_path)
        assert tables.arguments["image"] == "id"
        assert tables.arguments["target"] == "label"

    def test_without_an_id_column_the_image_is_the_id(self, bare):
        write(
            bare, train="file,label\na.jpg,1\nb.jpg,2\n", sample_submission="file,label\nd.jpg,1\n"
        )
        tables = table(bare)
        assert tables.id_column == "file"
        assert tables.train.ids == ["a.jpg", "b.jpg"]
        assert tables.arguments["id"] == tables.arguments["image"] == "file"

    def test_the_sample_names_the_test_images_where_there_is_no_test_table(self, task):
        (task / "test.csv").unlink()
        tables = table(task)
        assert tables.test.ids == ["d"]
        assert tables.test.paths == [task / "images" / "d.jpg"]
        assert tables.test.extra.shape[1] == 0
        assert (
            "no test table: the ids of sample_submission.csv name the test images" in tables.notes
        )

    def test_windows_paths(self, task):
        write(task, train=TRAIN.replace("images/", ".\\images\\"))
        assert table(task).train.paths[0] == task / "images" / "a.jpg"

    def test_the_only_repeating_column_is_the_target_but_unsure(self, task):
        (task / "sample_submission.csv").unlink()
        write(
            task,
            train="id,path,kind,size\na,images/a.jpg,hat,1\nb,images/b.jpg,cap,2\n"
            "c,images/c.jpg,hat,3\nd,images/d.jpg,cap,4\n",
        )
        tables = table(task, test="")
        assert tables.arguments["target"] == "kind"
        assert any("target column 'kind' (unsure" in note for note in tables.notes)

    @pytest.mark.parametrize("name", ["patient", "Person_ID", "user_id", "scan_group", "lesion_id"])
    def test_group_by_its_name_is_unsure(self, task, name):
        write(task, train=TRAIN.replace("group", name))
        tables = table(task)
        assert tables.train.groups == ["x", "x", "y"]
        assert any(f"'{name}'" in note and "unsure" in note for note in tables.notes)

    @pytest.mark.parametrize("name", ["label_id", "age_group", "colour", "paid"])
    def test_no_group_of_other_names(self, task, name):
        write(task, train=TRAIN.replace("group", name))
        tables = table(task)
        assert tables.train.groups is None
        assert "group" not in tables.arguments

    def test_group_can_be_declined(self, task):
        tables = table(task, group="")
        assert tables.train.groups is None
        assert tables.arguments["group"] == ""

    def test_a_row_without_a_group_is_one_of_its_own(self, task):
        write(task, train=TRAIN.replace("01,x", "01,"))
        assert table(task).train.groups == ["a", "x", "y"]

    def test_blank_lines_are_skipped(self, task):
        write(task, train=TRAIN.replace("\nb", "\n\nb") + ",,,\n")
        assert table(task).train.ids == ["a", "b", "c"]

    def test_other_layouts_are_none(self, tmp_path):
        draw(tmp_path / "images" / "a.jpg")
        assert table(tmp_path) is None
        assert table(tmp_path / "absent") is None

    @settings(max_examples=60)
    @given(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1, max_size=5
        )
    )
    def test_label_text_survives_but_for_blanks(self, labels):
        # Equal numbers are one label where there are only numbers.
        labels = [label for label in labels if strip_blanks(label)] + ["a label"]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with (folder / "train.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, quoting=csv.QUOTE_ALL)
                writer.writerow(["id", "label"])
                for row, label in enumerate(labels):
                    (folder / f"image{row}.jpg").touch()
                    writer.writerow([f"image{row}", label])
            read = table(folder, kind="classes").train.attributes["label"].tolist()
            texts = [unicodedata.normalize("NFC", strip_blanks(label)) for label in labels]
            assert [unicodedata.normalize("NFC", label) for label in read] == texts


def test_automask_toml_keeps_any_name_and_its_comments(task, tmp_path):
    name = 'la\x7f\\bel "é" #\t[x]'
    train = tmp_path / "train.csv"
    train.write_text(train.read_text().replace("label", '"' + name.replace('"', '""') + '"'))
    tables = table(tmp_path, sample="", target=name)
    text = config.render(str(tmp_path), "table", tables)
    assert "how the folder is laid out" in text and "# weights = " in text
    file = tmp_path / "automask.toml"
    file.write_text(text, "utf-8")
    project = Project(tmp_path)
    read = config.load(project)
    assert read.data.model_extra == dict(tables.arguments)
    assert config.read(read, project, None).train.attributes.columns.tolist() == [name]


class TestTableRefuses:
    def test_no_image_column(self, bare):
        write(bare, train="id,label\nq,1\nr,2\n")
        sentence = refused(table, bare)
        assert "'id', 'label'" in sentence
        assert "images/" in sentence

    def test_rows_without_their_file(self, task):
        (task / "images" / "b.jpg").unlink()
        sentence = refused(table, task)
        assert "train.csv, line 3: no image 'images/b.jpg' of column 'path'" in sentence
        assert "1 of 3 rows" in sentence

    def test_all_files_missing(self, task):
        for file in (task / "images").iterdir():
            file.unlink()
        assert "lines 2, 3, 4: no image" in refused(table, task)

    def test_test_rows_without_their_file(self, task):
        (task / "images" / "d.jpg").unlink()
        assert "test.csv, line 2: no image 'images/d.jpg'" in refused(table, task)

    def test_a_stem_with_two_files(self, task):
        draw(task / "images" / "a.png")
        write(task, train=TRAIN.replace(".jpg", ""), test=TEST.replace(".jpg", ""))
        assert "images/a.jpg or images/a.png" in refused(table, task)

    @pytest.mark.parametrize(("cell", "column"), [("NA", "label"), ("b", "id")])
    def test_empty_cells(self, task, cell, column):
        write(task, train=TRAIN.replace("NA", " ") if cell == "NA" else TRAIN.replace("\nb", "\n"))
        assert f"train.csv, line 3: column '{column}' is empty" in refused(table, task)

    def test_lines_are_counted_past_quoted_newlines(self, task):
        write(
            task,
            train=TRAIN.replace("a,images/a.jpg,01", 'a,images/a.jpg,"0\n1"').replace("NA", ""),
        )
        assert "train.csv, line 4: column 'label' is empty" in refused(table, task)

    def test_duplicate_ids(self, task):
        write(task, train=TRAIN + "a,images/d.jpg,01,z\n")
        sentence = refused(table, task)
        assert "lines 2, 5: 'a' of column 'id'" in sentence

    def test_many_bad_rows_are_counted(self, task):
        write(task, train=TRAIN + "".join(f"{n},images/a.jpg,,x\n" for n in range(9)))
        assert "lines 5, 6, 7 and 6 more" in refused(table, task)

    @pytest.mark.parametrize("argument", ["id", "image", "target", "group"])
    def test_a_column_that_is_not_there(self, task, argument):
        sentence = refused(table, task, **{argument: "lable"})
        assert "no column 'lable': did you mean 'label'?" in sentence

    @pytest.mark.parametrize("argument", ["train", "test", "sample"])
    def test_a_file_that_is_not_there(self, task, argument):
        assert "did you mean 'train.csv'?" in refused(table, task, **{argument: "tarin.csv"})

    def test_a_column_in_two_parts(self, task):
        assert "'label' is named twice" in refused(table, task, target="label", group="label")
        assert "'label' is named twice" in refused(table, task, target=["label", "label"])

    def test_a_target_that_can_not_be_told(self, task):
        (task / "sample_submission.csv").unlink()
        write(task, train="id,path,kind,colour\na,images/a.jpg,1,2\nb,images/b.jpg,1,2\n")
        sentence = refused(table, task)
        assert "'kind', 'colour'" in sentence
        assert "target = " in sentence

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (b"", "nothing in it"),
            (b"id,path,label\n", "no rows"),
            (b"id,path,label\na,\xff,1\n", "UTF-8"),
            (b"id,path,path\na,b,c\n", "more than one column 'path'"),
            (b"id,path,label\na,images/a.jpg\n", "line 2: 2 cells where the header has 3"),
            (b"id,label\na," + b"x" * 200_000 + b"\n", "CSV"),
        ],
    )
    def test_broken_csv(self, task, content, why):
        (task / "train.csv").write_bytes(content)
        sentence = refused(table, task)
        assert str(task / "train.csv") in sentence
        assert why in sentence

    def test_two_tables_of_the_same_right(self, task):
        write(task, Train=TRAIN)
        if (task / "train.csv").samefile(task / "Train.csv"):
            pytest.skip("names differ by more than case here")
        assert "say which one to read with train = " in refused(table, task)

    def test_sample_ids_that_are_not_the_test_ids(self, task):
        write(task, sample_submission="id,label\ne,1\nf,1\n")
        sentence = refused(table, task)
        assert "2 ids are no test ids ('e', 'f')" in sentence
        assert "1 test ids are missing ('d')" in sentence

    def test_sample_without_a_target(self, task):
        write(task, train=TRAIN.replace("group", "audience"))
        sentence = refused(table, task, target=["label", "audience"])
        assert "sample_submission.csv has no column for the target 'audience'" in sentence

    def test_sample_that_names_no_images_and_no_test_table(self, task):
        (task / "test.csv").unlink()
        (task / "images" / "d.jpg").unlink()
        sentence = refused(table, task)
        assert "asks for 'd'" in sentence
        assert table(task, sample="").test is None


@pytest.fixture
def classes(tmp_path):
    """Two class folders below train, and two test images."""
    draw(*(tmp_path / "train" / name for name in ("01/a.jpg", "01/deep/b.PNG", "02/a.jpg")))
    draw(tmp_path / "test" / "x.jpg", tmp_path / "test" / "y.jpg")
    return tmp_path


class TestFolders:
    def test_below_train(self, classes):
        tables = folders(classes)
        assert tables.train.ids == ["01/a.jpg", "01/deep/b.PNG", "02/a.jpg"]
        assert tables.train.paths[1] == classes / "train" / "01" / "deep" / "b.PNG"
        assert tables.train.attributes.to_dict("list") == {"label": ["01", "01", "02"]}
        assert tables.train.groups is None
        assert tables.test.ids == ["x.jpg", "y.jpg"]
        assert tables.test.paths[0] == classes / "test" / "x.jpg"
        assert tables.sample is None
        assert tables.arguments == {}
        assert table(classes) is person_folders(classes) is None

    def test_in_the_folder_itself(self, tmp_path):
        draw(*(tmp_path / name for name in ("cat/a.jpg", "dog/a.jpg", "test/b.jpg", ".git/c.jpg")))
        (tmp_path / "cat" / ".hidden.jpg").touch()
        (tmp_path / "cat" / "notes.txt").touch()
        tables = folders(tmp_path)
        assert tables.train.ids == ["cat/a.jpg", "dog/a.jpg"]
        assert tables.test.ids == ["b.jpg"]

    def test_without_test_images(self, tmp_path):
        draw(tmp_path / "cat" / "a.jpg", tmp_path / "dog" / "a.jpg")
        assert folders(tmp_path).test is None

    @pytest.mark.parametrize("form", ["{}.jpg", "{}", "test/{}.jpg"])
    def test_test_ids_are_as_the_sample_has_them(self, classes, form):
        x, y = form.format("x"), form.format("y")
        write(classes, sample_submission=f"name,answer\n{y},01\n{x},01\n")
        tables = folders(classes)
        assert tables.test.ids == [x, y]
        assert tables.id_column == "name"
        assert tables.sample["name"].tolist() == [y, x]
        assert "'answer' of sample_submission.csv takes the answers of 'label'" in tables.notes

    def test_labels_csv_may_tell_what_the_classes_mean(self, classes):
        write(classes, labels="ClassId,Name\n01,one\n02,two\n")
        assert len(folders(classes).train) == 3
        assert table(classes) is None

    def test_train_csv_makes_it_a_table(self, classes):
        write(classes, train="path,label\n01/a.jpg,1\n02/a.jpg,2\n")
        assert folders(classes) is None
        assert len(table(classes, test="").train) == 2

    @pytest.mark.parametrize("place", ["images/a.jpg", "train/images/a.jpg", "a.jpg", "x/a.txt"])
    def test_other_layouts_are_none(self, tmp_path, place):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
        assert folders(tmp_path) is None
        assert folders(tmp_path / "absent") is None

    def test_refuses_a_class_without_images(self, classes):
        (classes / "train" / "03").mkdir()
        assert "no images in the class folder '03'" in refused(folders, classes)

    def test_refuses_a_single_class(self, tmp_path):
        draw(tmp_path / "train" / "cat" / "a.jpg")
        assert "only one class folder, 'cat'" in refused(folders, tmp_path)

    def test_refuses_a_sample_of_other_images(self, classes):
        write(classes, sample_submission="name,label\nx.jpg,01\n")
        assert "1 test ids are missing ('y.jpg')" in refused(folders, classes)


@pytest.fixture
def people(tmp_path):
    draw_competition(tmp_path, train_people=6, test_people=1, size=16)
    return tmp_path


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def first_person(folder):
    """The cells of the first person's row."""
    return (folder / "train" / "train.csv").read_text(encoding="utf-8").split("\n")[1].split(",")


class TestPersonFolders:
    def test_reads_the_competition(self, people):
        tables = person_folders(people)
        *_, gender, race, age, name = first_person(people)
        assert len(tables.train) == 42
        assert list(tables.train.attributes) == ["mask", "gender", "age"]
        row = tables.train.ids.index(f"{name}/normal")
        assert tables.train.paths[row] == people / "train" / "images" / name / "normal.jpg"
        assert tables.train.attributes["mask"][row] == "not wear"
        assert tables.train.attributes["gender"][row] == gender
        assert tables.train.groups[row] == name
        assert tables.train.extra["age_years"][row] == float(age)
        assert tables.train.extra["race"][row] == race
        assert set(tables.train.attributes["age"]) == {"<30", "30-59", ">=60"}
        assert tables.train.attributes["mask"].value_counts().to_dict() == {
            "wear": 30,
            "incorrect": 6,
            "not wear": 6,
        }
        assert table(people) is folders(people) is None

    def test_eval_is_test_and_sample(self, people):
        tables = person_folders(people)
        assert tables.id_column == "ImageID"
        assert tables.sample["ImageID"].tolist() == tables.test.ids
        assert tables.sample["ans"].tolist() == ["0"] * 7
        assert tables.test.paths[0] == people / "eval" / "images" / tables.test.ids[0]

    def test_codes_are_the_class_numbers(self, people):
        codes = person_folders(people).codes
        assert list(codes.values()) == [str(number) for number in range(18)]
        assert codes["wear", "male", "<30"] == "0"
        assert codes["incorrect", "male", "30-59"] == "7"
        assert codes["not wear", "female", ">=60"] == "17"

    @pytest.mark.parametrize(
        ("age", "band"),
        [("29", "<30"), ("29.5", "<30"), ("30", "30-59"), ("59", "30-59"), ("60", ">=60")],
    )
    def test_age_bands(self, people, age, band):
        *_, race, years, name = first_person(people)
        edit(people / "train" / "train.csv", f"{race},{years},", f"{race},{age},")
        tables = person_folders(people)
        assert tables.train.attributes["age"][tables.train.groups.index(name)] == band

    def test_litter_and_other_extensions(self, people):
        home = people / "train" / "images" / first_person(people)[-1]
        (home / "._mask1.jpg").touch()
        (home / "Thumbs.db").touch()
        (home / "normal.jpg").rename(home / "normal.PNG")
        tables = person_folders(people)
        assert home / "normal.PNG" in tables.train.paths
        assert len(tables.train) == 42

    def test_fewer_photos_are_noted(self, people):
        name = first_person(people)[-1]
        (people / "train" / "images" / name / "mask3.jpg").unlink()
        tables = person_folders(people)
        assert len(tables.train) == 41
        assert any("fewer than seven photos" in note and name in note for note in tables.notes)

    def test_eval_may_be_absent(self, people):
        (people / "eval").rename(people / "elsewhere")
        tables = person_folders(people)
        assert tables.test is tables.sample is None

    def test_other_layouts_are_none(self, tmp_path):
        assert person_folders(tmp_path) is None
        (tmp_path / "train").mkdir()
        write(tmp_path / "train", train="id,label\na,1\n")
        assert person_folders(tmp_path) is None

    @pytest.mark.parametrize(("index", "why"), [(1, "neither male nor female"), (3, "isn't a num")])
    @pytest.mark.parametrize("value", ["x", "nan", "-1"])
    def test_refuses_odd_cells(self, people, index, why, value):
        cells = first_person(people)
        odd = [*cells[:index], value, *cells[index + 1 :]]
        edit(people / "train" / "train.csv", ",".join(cells), ",".join(odd))
        sentence = refused(person_folders, people)
        assert "train.csv, line 2" in sentence
        assert f"'{value}'" in sentence
        assert why in sentence

    def test_refuses_a_missing_column(self, people):
        edit(people / "train" / "train.csv", "gender", "gendre")
        assert "no column 'gender': did you mean 'gendre'?" in refused(person_folders, people)

    def test_refuses_a_missing_person_folder(self, people):
        name = first_person(people)[-1]
        (people / "train" / "images" / name).rename(people / "gone")
        sentence = refused(person_folders, people)
        assert "train.csv, line 2: no photos" in sentence
        assert name in sentence

    def test_refuses_a_person_twice(self, people):
        cells = ",".join(first_person(people))
        edit(people / "train" / "train.csv", cells, f"{cells}\n{cells}")
        assert "lines 2, 3" in refused(person_folders, people)

    def test_refuses_another_stem(self, people):
        draw(people / "train" / "images" / first_person(people)[-1] / "mask6.jpg")
        assert "mask6.jpg is none of the photos mask1" in refused(person_folders, people)

    def test_refuses_a_photo_twice(self, people):
        draw(people / "train" / "images" / first_person(people)[-1] / "mask1.png")
        assert "more than one photo 'mask1'" in refused(person_folders, people)

    def test_refuses_a_missing_eval_image(self, people):
        gone = sorted((people / "eval" / "images").iterdir())[0]
        gone.unlink()
        sentence = refused(person_folders, people)
        assert "info.csv, line" in sentence
        assert gone.name in sentence

    def test_refuses_eval_without_its_table(self, people):
        (people / "eval" / "info.csv").unlink()
        assert "info.csv: can't be read" in refused(person_folders, people)
