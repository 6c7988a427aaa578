"""Which folders are classes, which are parts of a split, and what is left alone."""

import pytest
from PIL import Image

from automask.data.config import render
from automask.data.description import find_reader
from automask.data.folder_kinds import role_of, split_names
from automask.errors import UserError
from automask.plugins.readers import file_names, folders
from automask.plugins.table_reader import table


def draw(folder, *files, **options):
    for number, name in enumerate(files):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (number % 256, 0, 0)).save(folder / name, **options)


def labels(tables):
    return sorted(set(tables.train.attributes["label"]))


def refused(folder):
    with pytest.raises(UserError) as error:
        find_reader(folder)
    return str(error.value)


def alone(folder):
    """The note on what was left alone."""
    _, tables = find_reader(folder)
    return next((note for note in tables.notes if note.startswith("left alone: ")), "")


@pytest.fixture
def pets(tmp_path):
    draw(tmp_path, *(f"{name}/{n}.jpg" for name in ("cat", "dog") for n in range(3)))
    return tmp_path


class TestSplits:
    @pytest.mark.parametrize(
        ("train", "test"),
        [
            ("train", "test"),
            ("training_set", "test_set"),
            ("trainset", "testset"),
            ("Training", "Testing"),
            ("Train Data", "Test Data"),
            ("seg_train/seg_train", "seg_test/seg_test"),
            ("train_images", "test_images"),
            ("pets_train", "pets_test"),
            ("TrainSet", "TestSet"),
        ],
    )
    def test_are_no_classes(self, tmp_path, train, test):
        for place in (train, test):
            draw(tmp_path, *(f"{place}/{c}/{n}.jpg" for c in ("cat", "dog") for n in range(2)))
        reader, tables = find_reader(tmp_path)
        assert reader == "folders"
        assert labels(tables) == ["cat", "dog"]
        assert len(tables.train) == len(tables.test) == 4
        assert {path.relative_to(tmp_path).parts[0] for path in tables.test.paths} == {
            test.partition("/")[0]
        }
        again = folders(tmp_path, **tables.arguments)
        assert again.train.ids == tables.train.ids
        assert again.test.paths == tables.test.paths

    @pytest.mark.parametrize("name", ["val", "valid", "valset", "validation", "dev"])
    def test_validation_is_trained_on_and_told(self, tmp_path, name):
        for part in ("train", name, "test"):
            draw(tmp_path, *(f"{part}/{c}/{n}.jpg" for c in ("cat", "dog") for n in range(2)))
        _, tables = find_reader(tmp_path)
        assert len(tables.train) == 8
        assert tables.train.ids.count(f"{name}/cat/0.jpg") == 1
        assert tables.arguments == {"validation": name}
        assert any(note.startswith(f"4 images in {name}/ are trained on") for note in tables.notes)
        assert f'validation = "{name}"' in render("data", "folders", tables)

    def test_validation_is_left_alone_where_a_file_does_not_name_it(self, tmp_path):
        for part in ("train", "val"):
            draw(tmp_path, f"{part}/cat/0.jpg", f"{part}/dog/0.jpg")
        assert folders(tmp_path).train.ids == ["cat/0.jpg", "dog/0.jpg"]

    def test_validation_without_labels_is_left_alone(self, tmp_path):
        draw(tmp_path, "train/cat/0.jpg", "train/dog/0.jpg", "val/0.jpg", "val/1.jpg")
        _, tables = find_reader(tmp_path)
        assert len(tables.train) == 2
        assert alone(tmp_path) == "left alone: 2 images in val/"

    @pytest.mark.parametrize("test", ["images/test", "test"])
    def test_in_a_folder_of_images(self, tmp_path, test):
        for part in ("train", "val"):
            draw(tmp_path, f"images/{part}/cat/{part}.jpg", f"images/{part}/dog/{part}.jpg")
        draw(tmp_path, f"{test}/0.jpg")
        _, tables = find_reader(tmp_path)
        assert labels(tables) == ["cat", "dog"]
        assert len(tables.train) == 4
        assert tables.test.ids == ["0.jpg"]
        assert tables.arguments["validation"] == "images/val"
        assert folders(tmp_path, **tables.arguments).train.ids == tables.train.ids

    def test_no_part_to_train_on(self, tmp_path):
        for part in ("test_set", "validation"):
            draw(tmp_path, f"{part}/cat/0.jpg", f"{part}/dog/0.jpg")
        sentence = refused(tmp_path)
        assert "test_set/, validation/ are parts of a split" in sentence
        assert f"automask init {tmp_path / 'test_set'}" in sentence

    def test_numbered_parts_with_the_same_folders(self, tmp_path):
        for part in ("fold_1", "fold_2", "fold_3"):
            draw(tmp_path, f"{part}/cat/0.jpg", f"{part}/dog/0.jpg")
        assert "look like parts of the data" in refused(tmp_path)

    def test_a_class_folder_may_hold_folders(self, tmp_path):
        draw(tmp_path, *(f"{c}/{side}/0.jpg" for c in ("cat", "dog") for side in ("left", "right")))
        _, tables = find_reader(tmp_path)
        assert labels(tables) == ["cat", "dog"]
        assert any("unsure: each has the folders 'left', 'right'" in note for note in tables.notes)

    def test_train_and_test_may_use_the_same_names(self, tmp_path):
        names = [f"{c}/0.jpg" for c in ("cat", "dog")]
        draw(tmp_path, *(f"{part}/{name}" for part in ("train", "test") for name in names))
        _, tables = find_reader(tmp_path)
        assert tables.test.ids == names
        assert tables.train.ids == [f"train/{name}" for name in names]

    def test_a_file_that_names_the_parts(self, tmp_path):
        draw(tmp_path, *(f"{c}/0.jpg" for c in ("train", "car", "bus")))
        draw(tmp_path, "learn/a/0.jpg", "learn/b/0.jpg", "more/a/0.jpg", "held/0.jpg")
        tables = folders(tmp_path, train="learn", validation=["more"], test="held")
        assert tables.train.ids == ["a/0.jpg", "b/0.jpg", "more/a/0.jpg"]
        assert tables.test.ids == ["0.jpg"]
        with pytest.raises(UserError, match="isn't there: did you mean 'learn'"):
            folders(tmp_path, train="learnt")
        with pytest.raises(UserError, match="no images for test"):
            folders(tmp_path, train="learn", test="hold")
        with pytest.raises(UserError, match="no class folders with images"):
            folders(tmp_path, train="learn", validation="held")

    @pytest.mark.parametrize(
        "name", ["train_station", "test_tube", "cat", "value", "developer", "contest", "2019"]
    )
    def test_names_that_are_no_parts(self, name):
        assert role_of(name) == ""

    def test_a_word_before_the_part_needs_both(self):
        assert split_names(["toy_train", "toy_car"]) == {}
        assert split_names(["a_train", "a_test", "b"]) == {"a_train": "train", "a_test": "test"}


class TestClasses:
    @pytest.mark.parametrize("home", ["", "train"])
    @pytest.mark.parametrize(
        "names",
        [
            ("photo", "painting", "sketch"),
            ("image", "photo"),
            ("images", "cat", "dog"),
            ("train", "car", "bus"),
        ],
    )
    def test_may_be_called_like_containers(self, tmp_path, home, names):
        files = [(name, n) for n, name in enumerate(names * 2)]
        draw(tmp_path / home, *(f"{name}/{n}.jpg" for name, n in files))
        assert labels(find_reader(tmp_path)[1]) == sorted(names)

    def test_below_train_nothing_is_a_part(self, tmp_path):
        draw(tmp_path, *(f"train/{name}/{name}.jpg" for name in ("photo", "image", "test_images")))
        assert labels(find_reader(tmp_path)[1]) == ["image", "photo", "test_images"]

    def test_are_not_masks_and_thumbnails(self, tmp_path):
        for place in ("images", "masks", "thumbnails"):
            draw(tmp_path, *(f"{place}/{n}.png" for n in range(4)))
        assert "isn't laid out" in refused(tmp_path)

    def test_in_a_folder_of_images(self, tmp_path):
        draw(tmp_path, "images/cat/0.jpg", "images/dog/0.jpg", "test/0.jpg")
        _, tables = find_reader(tmp_path)
        assert labels(tables) == ["cat", "dog"]
        assert tables.test.ids == ["0.jpg"]

    def test_linked_folders(self, tmp_path):
        draw(tmp_path, "elsewhere/0.jpg", "data/cat/0.jpg")
        (tmp_path / "data" / "dog").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        assert folders(tmp_path / "data").train.ids == ["cat/0.jpg", "dog/0.jpg"]

    def test_folders_of_other_files_are_left_alone(self, pets):
        (pets / "scripts").mkdir()
        (pets / "scripts" / "draw.py").touch()
        assert labels(find_reader(pets)[1]) == ["cat", "dog"]
        assert alone(pets) == "left alone: scripts/draw.py"

    def test_of_which_none_can_be_read(self, tmp_path):
        for name in ("cat", "dog"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "0.nef").touch()
        assert "has 2 .nef files (convert them to TIFF)" in refused(tmp_path)

    def test_whose_images_can_not_be_read(self, pets):
        (pets / "eel").mkdir()
        for number in range(3):
            (pets / "eel" / f"{number}.nef").touch()
        sentence = refused(pets)
        assert "no images in the class folder 'eel' (3 .nef: convert them to TIFF)" in sentence


class TestLitter:
    def test_of_network_drives_and_systems(self, pets):
        draw(
            pets,
            "@eaDir/cover/SYNOPHOTO_THUMB_M.jpg",
            "cat/@eaDir/0.jpg/SYNOPHOTO_THUMB_M.jpg",
            "$RECYCLE.BIN/$R1.jpg",
            "System Volume Information/a.jpg",
            "lost+found/b.jpg",
            "#recycle/c.jpg",
            ".Trash-1000/d.jpg",
            ".ipynb_checkpoints/e.jpg",
            "__MACOSX/cat/._0.jpg",
            "cat/._0.jpg",
        )
        for name in ("Thumbs.db", "desktop.ini", "cat/Thumbs.db"):
            (pets / name).touch()
        _, tables = find_reader(pets)
        assert labels(tables) == ["cat", "dog"]
        assert len(tables.train) == 6
        assert alone(pets).startswith("left alone: 7 folders of the system (#recycle, $RECYCLE.BIN")

    def test_automask_own_folders_are_no_classes(self, pets):
        (pets / "automask.toml").touch()
        draw(pets, "runs/main/report/a.png", "runs/cache/b.png")
        (pets / "plugins").mkdir()
        (pets / "plugins" / "mine.py").touch()
        assert labels(folders(pets)) == ["cat", "dog"]
        assert alone(pets) == ""

    def test_without_a_project_runs_is_a_class(self, pets):
        draw(pets, "runs/0.jpg")
        assert labels(folders(pets)) == ["cat", "dog", "runs"]


class TestLeftAlone:
    def test_says_what_and_how_many(self, pets):
        for n in range(14):
            (pets / "cat" / f"{n}.nef").touch()
        draw(pets, "loose.jpg", "extra.jpg")
        (pets / "README.txt").touch()
        (pets / "cat" / "NOTES").write_text("none")
        note = alone(pets)
        assert f"2 images in {pets}/" in note
        assert "14 .nef files (convert them to TIFF)" in note
        assert "README.txt" in note
        assert "cat/NOTES" in note

    def test_nothing(self, pets):
        assert alone(pets) == ""

    def test_of_a_table(self, tmp_path):
        draw(tmp_path, *(f"train/{n}.jpg" for n in range(6)), "test/7.jpg")
        rows = "".join(f"{n}.jpg,{'ab'[n % 2]}\n" for n in range(4))
        (tmp_path / "train.csv").write_text(f"image,label\n{rows}")
        assert alone(tmp_path) == "left alone: 2 images in train/, 1 image in test/"


class TestLabelsCsv:
    def test_that_names_the_pictures_goes_before_folders(self, tmp_path):
        names = [f"{n}.jpg" for n in range(6)]
        draw(tmp_path, *(f"{place}/{n}" for place in ("leaf_pics", "thumbnails") for n in names))
        rows = "".join(f"{name},{'ab'[n % 2]}\n" for n, name in enumerate(names))
        (tmp_path / "labels.csv").write_text(f"image,label\n{rows}")
        reader, tables = find_reader(tmp_path)
        assert reader == "table"
        assert tables.train.paths[0] == tmp_path / "leaf_pics" / "0.jpg"
        assert labels(tables) == ["a", "b"]

    def test_that_names_the_folders_is_left_to_them(self, tmp_path):
        draw(tmp_path, *(f"{c}/{n}.jpg" for c in "01" for n in range(2)))
        (tmp_path / "labels.csv").write_text("ClassId,Name\n0,speed\n1,stop\n")
        reader, tables = find_reader(tmp_path)
        assert reader == "folders"
        assert len(tables.train) == 4
        assert table(tmp_path) is None


class TestFileNames:
    @pytest.mark.parametrize("home", ["", "train", "images", "train/train"])
    @pytest.mark.parametrize(
        "form", ["{}.{}.jpg", "{}_{}.png", "{}-{}.jpg", "{} ({}).jpg", "{}{}.jpg"]
    )
    def test_begin_with_the_class(self, tmp_path, home, form):
        files = [form.format(c, n) for c in ("cat", "big_dog") for n in range(3)]
        draw(tmp_path / home, *files)
        draw(tmp_path, "test/1.jpg", "test/2.jpg")
        reader, tables = find_reader(tmp_path)
        assert reader == "file_names"
        assert labels(tables) == ["big_dog", "cat"]
        assert len(tables.train) == 6
        assert tables.test.ids == ["1.jpg", "2.jpg"]
        assert any("the beginnings of the file names" in note for note in tables.notes)

    @pytest.mark.parametrize(
        "names",
        [
            ["IMG_1", "IMG_2", "DSC_1", "DSC_2"],
            ["cat.1", "cat.2", "dog.1"],
            ["cat.1", "cat.2"],
            ["cat.1", "cat.2", "dog.1", "dog.2", "other"],
            ["2020_1", "2020_2", "2021_1", "2021_2"],
        ],
    )
    def test_say_nothing_where_one_does_not_fit(self, tmp_path, names):
        draw(tmp_path, *(f"{name}.jpg" for name in names))
        assert file_names(tmp_path) is None


class TestInsideClasses:
    """Class folders that hold more than images to train on."""

    @pytest.mark.parametrize(("train", "test"), [("train", "test"), ("Training", "Testing")])
    def test_the_test_folder_of_each_class_is_predicted(self, tmp_path, train, test):
        for label in ("cat", "dog"):
            draw(tmp_path, *(f"{label}/{train}/{n}.jpg" for n in range(3)))
            draw(tmp_path, *(f"{label}/{test}/{n}.jpg" for n in range(2)))
        _, tables = find_reader(tmp_path)
        assert labels(tables) == ["cat", "dog"]
        assert tables.train.ids[:2] == [f"cat/{train}/0.jpg", f"cat/{train}/1.jpg"]
        assert len(tables.train) == 6
        assert tables.test.ids == [f"{c}/{test}/{n}.jpg" for c in ("cat", "dog") for n in range(2)]
        assert all(path.is_file() for path in tables.test.paths)
        assert tables.arguments == {"without": test, "test": f"*/{test}"}
        assert any("4 images of the class folders aren't trained on" in n for n in tables.notes)
        again = folders(tmp_path, **tables.arguments)
        assert again.train.ids == tables.train.ids
        assert again.test.paths == tables.test.paths

    def test_a_file_that_does_not_say_so_trains_on_all(self, tmp_path):
        draw(tmp_path, *(f"{c}/{part}/0.jpg" for c in ("a", "b") for part in ("train", "test")))
        assert len(folders(tmp_path).train) == 4
        assert folders(tmp_path).test is None

    def test_masks_beside_images_are_left_alone(self, tmp_path):
        for label in ("covid", "normal"):
            draw(tmp_path, *(f"{label}/{part}/0.png" for part in ("images", "masks")))
        _, tables = find_reader(tmp_path)
        assert tables.train.ids == ["covid/images/0.png", "normal/images/0.png"]
        assert tables.arguments["without"] == "masks"
        assert not any("unsure" in note for note in tables.notes)

    def test_files_named_as_masks_of_others_are_left_alone(self, tmp_path):
        names = ("benign (1).png", "benign (1)_mask.png", "benign (1)_mask_1.png", "my_mask.png")
        draw(tmp_path, *(f"{label}/{name}" for label in ("a", "b") for name in names))
        _, tables = find_reader(tmp_path)
        assert tables.arguments["without"] == "*_mask*"
        assert tables.train.ids == ["a/benign (1).png", "b/benign (1).png"]
        kept = folders(tmp_path, **{**tables.arguments, "without": "*)_mask*"})
        assert "a/my_mask.png" in kept.train.ids

    def test_a_folder_with_nothing_but_masks_is_a_class_like_others(self, pets):
        draw(pets, "prints/masks/0.jpg", "face_mask/1_mask.jpg")
        _, tables = find_reader(pets)
        assert labels(tables) == ["cat", "dog", "face_mask", "prints"]
        assert "without" not in tables.arguments


class TestSampleByAnyName:
    """A table that names the images of test, and nothing else, is a sample submission."""

    @pytest.mark.parametrize("name", ["submission.csv", "baseline_v2.csv"])
    @pytest.mark.parametrize("end", ["", ".jpg"])
    def test_beside_class_folders(self, tmp_path, name, end):
        draw(tmp_path, *(f"train/{c}/{n}.jpg" for c in ("cat", "dog") for n in range(2)))
        draw(tmp_path, "test/t0.jpg", "test/t1.jpg")
        (tmp_path / name).write_text(f"picture,answer\nt1{end},cat\nt0{end},cat\n")
        _, tables = find_reader(tmp_path)
        assert {*tables.test.ids} == {f"t0{end}", f"t1{end}"}
        assert list(tables.sample) == ["picture", "answer"]
        assert f"{name} is the sample submission: its column 'picture'" in " ".join(tables.notes)

    def test_beside_a_table(self, tmp_path):
        draw(tmp_path, "train/a.jpg", "train/b.jpg", "test/t0.jpg", "test/t1.jpg")
        (tmp_path / "train.csv").write_text("image,label\na.jpg,cat\nb.jpg,dog\n")
        (tmp_path / "submission.csv").write_text("image,label\nt1.jpg,cat\nt0.jpg,cat\n")
        reader, tables = find_reader(tmp_path)
        assert reader == "table"
        assert tables.test.ids == ["t1.jpg", "t0.jpg"]
        assert tables.arguments["sample"] == "submission.csv"
        again = table(tmp_path, **tables.arguments)
        assert again.test.paths == tables.test.paths

    def test_of_other_images_is_left_alone_and_named(self, tmp_path):
        draw(tmp_path, *(f"train/{c}/{n}.jpg" for c in ("cat", "dog") for n in range(2)))
        draw(tmp_path, "test/t0.jpg", "test/t1.jpg")
        (tmp_path / "old.csv").write_text("picture,answer\nt1.jpg,cat\nt7.jpg,cat\n")
        _, tables = find_reader(tmp_path)
        assert tables.sample is None
        assert "left alone: old.csv (1 table)" in tables.notes


def test_classes_in_two_spellings_are_told(pets):
    draw(pets, "Cat/0.jpg")
    _, tables = find_reader(pets)
    assert any("'Cat' (1) and 'cat' (3)" in note for note in tables.notes)
    assert any('write merge = {Cat = "cat"} under [data]' in note for note in tables.notes)
    merged = folders(pets, merge={"Cat": "cat"})
    assert labels(merged) == ["cat", "dog"] and merged.arguments["merge"] == {"Cat": "cat"}
    assert not any("differ only" in note for note in merged.notes)
    with pytest.raises(UserError, match="merge: 'Cta' is no label"):
        folders(pets, merge={"Cta": "cat"})


def test_folders_named_for_what_was_done_to_images_are_no_classes(tmp_path):
    draw(tmp_path, *(f"{p}/{c}/0.jpg" for p in ("original", "augmented") for c in ("cat", "dog")))
    assert "look like parts of the data" in refused(tmp_path)


def test_runs_of_ultralytics_are_no_class(pets):
    draw(pets, "runs/classify/train/results.png")
    assert labels(folders(pets)) == ["cat", "dog"]


def test_runs_whose_automask_toml_is_gone_are_no_class(pets):
    (pets / "runs/main").mkdir(parents=True)
    (pets / "runs/main/folds.csv").write_text("id,fold\n")
    (pets / "runs/main/old.npy").touch()
    assert labels(folders(pets)) == ["cat", "dog"]


def test_links_below_a_class_are_followed_but_not_in_circles(pets):
    draw(pets.parent / "elsewhere", "3.jpg", "4.jpg")
    (pets / "cat/more").symlink_to(pets.parent / "elsewhere")
    (pets / "cat/up").symlink_to(pets)
    (pets.parent / "elsewhere/self").symlink_to(pets.parent / "elsewhere")
    ids = folders(pets).train.ids
    assert [name for name in ids if name.startswith("cat/")] == [
        *(f"cat/{n}.jpg" for n in range(3)),
        *(f"cat/more/{n}.jpg" for n in (3, 4)),
    ]


def test_links_to_nothing_are_left_alone_and_told(pets):
    (pets / "cat/gone.jpg").symlink_to(pets / "nowhere.jpg")
    assert len(folders(pets).train) == 6
    assert alone(pets) == "left alone: 1 link to what isn't there (cat/gone.jpg)"
