"""Which files are images, and which a table's cells mean."""

import unicodedata

import numpy as np
import pytest
from PIL import Image

from automask.data.description import find_reader
from automask.data.file_kinds import image_suffixes, is_image, is_image_file
from automask.data.image_files import image_names, walk_images
from automask.errors import UserError
from automask.plugins.readers import folders
from automask.plugins.table_reader import table


def draw(folder, *files, **options):
    """Images that differ by their place in the list."""
    for number, name in enumerate(files):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((4, 4, 3), 10 * number % 256, np.uint8)
        Image.fromarray(pixels).save(folder / name, **options)


def write(folder, cells, name="train.csv"):
    rows = "".join(f"{cell},{'ab'[n % 2]}\n" for n, cell in enumerate(cells))
    (folder / name).write_text(f"image,label\n{rows}", encoding="utf-8")


def read(folder):
    """The files of a table's rows from the folder on, and the notes."""
    tables = table(folder)
    files = [path.relative_to(folder).as_posix() for path in tables.train.paths]
    return files, "\n".join(tables.notes)


def refused(folder):
    with pytest.raises(UserError) as error:
        table(folder)
    return str(error.value)


class TestImages:
    @pytest.mark.parametrize(
        "suffix",
        [
            "jpg",
            "JPG",
            "jpeg",
            "jfif",
            "jpe",
            "png",
            "apng",
            "gif",
            "bmp",
            "webp",
            "tif",
            "tiff",
            "ppm",
        ],
    )
    def test_are_what_pillow_reads(self, suffix):
        assert is_image(f"a.{suffix}")

    @pytest.mark.parametrize(
        "suffix", ["pgm", "pbm", "pnm", "tga", "jp2", "pcx", "ico", "psd", "dib"]
    )
    def test_are_so_of_rarer_endings(self, suffix):
        assert is_image(f"a.{suffix}")

    @pytest.mark.parametrize(
        "name", ["a.txt", "a.csv", "a.pdf", "a.h5", "a.mpg", "a.eps", "a", "a.1", "jpg", "a.npy"]
    )
    def test_are_not_other_files(self, name):
        assert not is_image(name)

    @pytest.mark.parametrize("suffix", [".avif", ".heic", ".dcm"])
    def test_of_formats_that_may_be_missing(self, suffix, monkeypatch):
        image_suffixes.cache_clear()
        before = suffix in image_suffixes()
        monkeypatch.setattr(Image, "OPEN", {k: v for k, v in Image.OPEN.items() if k == "JPEG"})
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
        image_suffixes.cache_clear()
        assert suffix not in image_suffixes()
        assert ".jpg" in image_suffixes()
        monkeypatch.undo()
        image_suffixes.cache_clear()
        assert (suffix in image_suffixes()) == before

    @pytest.mark.parametrize(
        "form", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000"]
    )
    @pytest.mark.parametrize("name", ["a", "photo.12", "a.jpg_large", "a.jpg?w=200"])
    def test_without_an_ending_are_known_by_how_they_begin(self, tmp_path, form, name):
        draw(tmp_path, name, format=form)
        (tmp_path / "LICENSE").write_text("Permission is hereby granted")
        (tmp_path / "Makefile").write_text("all:\n")
        assert is_image_file(tmp_path / name)
        assert image_names(tmp_path) == [name]
        assert list(walk_images(tmp_path)) == [name]

    def test_of_other_endings_are_read_with_the_rest(self, tmp_path):
        draw(tmp_path, "cat/0.jpg", "dog/0.jpg")
        draw(tmp_path, "cat/1.jfif", "dog/1.jfif", format="JPEG")
        draw(tmp_path, "cat/2.ppm", "dog/2.pgm", "cat/3", format="PPM")
        assert len(folders(tmp_path).train) == 7

    def test_that_nothing_reads_are_named_with_their_number(self, tmp_path, monkeypatch):
        draw(tmp_path, "cat/0.jpg", "dog/0.jpg")
        for number in range(14):
            (tmp_path / "cat" / f"{number}.heic").touch()
        for module in ("file_kinds", "image_files"):
            monkeypatch.setattr(f"automask.data.{module}.image_suffixes", lambda: {".jpg"})
        _, tables = find_reader(tmp_path)
        assert tables.notes[-1] == (
            "left alone: 14 .heic files (pip install pillow-heif reads them)"
        )


#: Files on disk, cells of the table, and what the note says of how they differ.
NEAR = {
    "case": ("images/{}.JPG", "{}.jpg", "differ in case"),
    "ending": ("images/{}.png", "{}.jpg", "differ in the ending"),
    "ending and case": ("images/A{}.PNG", "a{}.jpeg", "differ in the ending"),
    "zeros": ("images/{:06}.jpg", "{}", "differ in leading zeros"),
    "zeros in the middle": ("images/img_{:04}_l.jpg", "img_{}_l.jpg", "differ in leading zeros"),
    "decimals": ("images/{}.jpg", "{}.0", "differ in the ending"),
    "beginning": ("images/ISIC_{:07}.jpg", "{}", "lack 'isic_'"),
    "end": ("images/{}_left.jpg", "{}.jpg", "lack '_left'"),
    "more beginning": ("images/{}.jpg", "img_{}.jpg", "have more than the file's, by 'img_'"),
    "absolute": ("images/{}.jpg", "/kaggle/input/x/images/{}.jpg", "name another folder"),
    "Windows": ("img/{}.jpg", "C:\\data\\img\\{}.jpg", "name another folder"),
    "from above": ("images/{}.jpg", "data/images/{}.jpg", "name another folder"),
    "folder": ("a/b/c/{}.jpg", "{}.jpg", "name another folder"),
    "Windows and case": ("Img/{}.JPG", "D:\\me\\img\\{}.jpg", "differ in case"),
}


class TestNearNames:
    @pytest.mark.parametrize("case", NEAR)
    def test_mean_the_only_file_and_are_told(self, tmp_path, case):
        file, cell, how = NEAR[case]
        numbers = range(1, 13)
        draw(tmp_path, *(file.format(n) for n in numbers))
        write(tmp_path, [cell.format(n) for n in numbers])
        files, notes = read(tmp_path)
        assert files == [file.format(n) for n in numbers]
        assert f"12 names of column 'image' {how}" in notes
        assert f"such as '{cell.format(1).strip()}" in notes

    def test_in_another_unicode_form(self, tmp_path):
        names = [f"고양이{n}.jpg" for n in range(4)]
        draw(tmp_path, *(f"images/{unicodedata.normalize('NFD', name)}" for name in names))
        write(tmp_path, [unicodedata.normalize("NFC", name) for name in names])
        files, _ = read(tmp_path)
        assert [unicodedata.normalize("NFC", file) for file in files] == [
            f"images/{name}" for name in names
        ]

    def test_some_of_them(self, tmp_path):
        draw(tmp_path, *(f"images/{n}.jpg" for n in range(8)), "images/8.JPG")
        write(tmp_path, [f"{n}.jpg" for n in range(9)])
        files, notes = read(tmp_path)
        assert files[-1] == "images/8.JPG"
        assert "1 names of column 'image' differ in case" in notes

    def test_that_could_be_two_files_are_refused_with_both(self, tmp_path):
        draw(tmp_path, *(f"images/{n}.jpg" for n in range(4)), "images/007.jpg", "images/07.jpg")
        write(tmp_path, [*(f"{n}.jpg" for n in range(4)), "7.jpg"])
        sentence = refused(tmp_path)
        assert "'7.jpg'" in sentence
        assert "is near images/007.jpg and images/07.jpg" in sentence

    def test_of_a_file_that_another_row_has_are_refused(self, tmp_path):
        draw(tmp_path, *(f"images/{n}.jpg" for n in range(4)))
        write(tmp_path, [*(f"{n}.jpg" for n in range(4)), "003.jpg"])
        assert "'003.jpg' is near images/3.jpg" in refused(tmp_path)

    def test_are_not_looked_for_elsewhere_where_the_folder_is_there(self, tmp_path):
        draw(tmp_path, *(f"images/{n}.jpg" for n in range(4)), "old/4.jpg")
        write(tmp_path, [f"images/{n}.jpg" for n in range(5)])
        assert "no image 'images/4.jpg'" in refused(tmp_path)

    def test_the_error_names_files_that_can_not_be_read(self, tmp_path):
        draw(tmp_path, *(f"images/{n}.jpg" for n in range(6)))
        for number in range(6, 8):
            (tmp_path / "images" / f"{number}.nef").touch()
        write(tmp_path, range(8))
        assert "2 .nef files (convert them to TIFF)" in refused(tmp_path)


class TestParts:
    def test_each_row_has_its_file_where_it_is(self, tmp_path):
        draw(tmp_path, *(f"images_part_{n % 2 + 1}/x{n}.jpg" for n in range(8)))
        write(tmp_path, [f"x{n}" for n in range(8)])
        files, notes = read(tmp_path)
        assert files == [f"images_part_{n % 2 + 1}/x{n}.jpg" for n in range(8)]
        assert "4 in images_part_1/, 4 in images_part_2/" in notes

    def test_thumbnails_that_have_all_come_after_parts_that_do(self, tmp_path):
        draw(tmp_path, *(f"images_{n % 2}/{n}.jpg" for n in range(8)))
        draw(tmp_path, *(f"thumbnails/{n}.jpg" for n in range(8)))
        write(tmp_path, [f"{n}.jpg" for n in range(8)])
        assert read(tmp_path)[0] == [f"images_{n % 2}/{n}.jpg" for n in range(8)]

    def test_copies_in_both_are_one(self, tmp_path):
        draw(tmp_path, *(f"part_1/{n}.jpg" for n in range(6)))
        draw(tmp_path, *(f"part_2/{n}.jpg" for n in range(8)))
        for number in range(2):
            (tmp_path / "part_2" / f"{number}.jpg").unlink()
        write(tmp_path, [str(n) for n in range(8)])
        assert len(read(tmp_path)[0]) == 8

    def test_other_pictures_of_the_same_name_are_refused(self, tmp_path):
        draw(tmp_path, *(f"part_1/{n}.jpg" for n in range(6)))
        draw(tmp_path, *(f"part_2/{n}.jpg" for n in range(7, 2, -1)))
        write(tmp_path, [str(n) for n in range(8)])
        assert "can be part_1/3.jpg or part_2/3.jpg" in refused(tmp_path)

    def test_test_rows_are_not_in_trains_folder(self, tmp_path):
        draw(tmp_path, *(f"train/{n}.jpg" for n in range(6)))
        write(tmp_path, [f"{n}.jpg" for n in range(6)])
        (tmp_path / "test.csv").write_text("image\n0.jpg\n1.jpg\n")
        (tmp_path / "test.zip").touch()
        sentence = refused(tmp_path)
        assert "no test images" in sentence
        assert "from test.zip" in sentence

    def test_test_images_beside_trains_are_unsure(self, tmp_path):
        draw(tmp_path, *(f"train/{n}.jpg" for n in range(9)))
        write(tmp_path, [f"{n}.jpg" for n in range(6)])
        (tmp_path / "test.csv").write_text("image\n6.jpg\n7.jpg\n")
        assert "test images (unsure): they are in train/" in read(tmp_path)[1]

    def test_half_of_the_test_images(self, tmp_path):
        draw(tmp_path, *(f"train/{n}.jpg" for n in range(6)), "test/0.jpg")
        write(tmp_path, [f"{n}.jpg" for n in range(6)])
        (tmp_path / "test.csv").write_text("image\n0.jpg\n1.jpg\n")
        assert "no image '1.jpg' of column 'image' in test/" in refused(tmp_path)
