import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automask.data.synthetic.competition import PHOTOS, draw_competition, draw_table
from automask.data.synthetic.faces import Box, draw_person, draw_photo, draw_scene

COMBINATIONS = {(gender, age_class) for gender in range(2) for age_class in range(3)}


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def competition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "competition"
    draw_competition(folder, train_people=13, test_people=12, size=32, seed=3)
    return folder


def test_train_has_seven_photos_of_each_person(competition: Path) -> None:
    people = read(competition / "train" / "train.csv")
    folders = {path.name: path for path in (competition / "train" / "images").iterdir()}
    assert list(people[0]) == ["id", "gender", "race", "age", "path"]
    assert len(people) == 13
    assert set(folders) == {person["path"] for person in people}
    for person in people:
        assert person["path"].split("_") == [person[key] for key in ("id", "gender", "race", "age")]
        photos = {path.name for path in folders[person["path"]].iterdir()}
        assert photos == {f"{name}.jpg" for name in PHOTOS}
    with Image.open(folders[people[0]["path"]] / "normal.jpg") as photo:
        assert (photo.size, photo.mode) == ((32, 32), "RGB")


def test_train_has_each_gender_at_each_age(competition: Path) -> None:
    people = read(competition / "train" / "train.csv")
    ages = [int(person["age"]) for person in people]
    drawn = {
        (["male", "female"].index(person["gender"]), (age >= 30) + (age >= 60))
        for person, age in zip(people, ages, strict=True)
    }
    assert drawn == COMBINATIONS
    assert min(ages) >= 18


def test_answers_name_each_test_photo_and_have_each_class(competition: Path) -> None:
    answers = {row["ImageID"]: int(row["ans"]) for row in read(competition / "answers.csv")}
    sample = read(competition / "eval" / "info.csv")
    photos = {path.name for path in (competition / "eval" / "images").iterdir()}
    assert [row["ImageID"] for row in sample] == list(answers)
    assert {row["ans"] for row in sample} == {"0"}
    assert set(answers) == photos
    assert len(photos) == 12 * 7
    assert set(answers.values()) == set(range(18))
    masks = Counter(answer // 6 for answer in answers.values())
    assert masks == {0: 12 * 5, 1: 12, 2: 12}
    people = Counter(answer % 6 for answer in answers.values())
    assert all(photos_of_group % 7 == 0 for photos_of_group in people.values())


def test_rows_are_not_in_the_order_of_people(competition: Path) -> None:
    first = [int(row["ans"]) % 6 for row in read(competition / "answers.csv")[:7]]
    assert len(set(first)) > 1


def test_the_seed_alone_decides_every_byte(competition: Path, tmp_path: Path) -> None:
    draw_competition(tmp_path / "same", train_people=13, test_people=12, size=32, seed=3)
    draw_competition(tmp_path / "other", train_people=13, test_people=12, size=32, seed=4)
    assert contents(tmp_path / "same") == contents(competition)
    other = contents(tmp_path / "other")
    assert other["answers.csv"] != contents(competition)["answers.csv"]


def test_a_mask_covers_what_its_kind_says() -> None:
    person = draw_person(np.random.default_rng(0), "female", 24)
    wear, incorrect, none = (
        np.asarray(draw_photo(np.random.default_rng(1), person, mask, 64), dtype=int)
        for mask in ("wear", "incorrect", "none")
    )
    for first, second in ((wear, incorrect), (wear, none), (incorrect, none)):
        changed = np.abs(first - second).max(axis=2) > 40
        assert 0.01 < changed.mean() < 0.5
        assert changed[40:].sum() > changed[:20].sum()


def test_an_unknown_mask_is_an_error() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="scarf"):
        draw_photo(rng, draw_person(rng, "male", 40), "scarf", 16)


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flat")
    draw_table(folder, people=8, test_people=6, size=64, seed=3)
    return folder


def test_a_table_has_a_row_a_photo_and_no_answers_for_test(flat: Path) -> None:
    train, test = read(flat / "train.csv"), read(flat / "test.csv")
    sides = ["left", "top", "right", "bottom"]
    assert list(train[0]) == ["id", "path", "mask", "gender", "age", "person", *sides]
    assert list(test[0]) == ["id", "path", *sides]
    assert len(train) == 8 * 7 and len(test) == 6 * 7
    assert len({row["person"] for row in train}) == 8
    assert all((flat / row["path"]).is_file() for row in [*train, *test])
    answers, sample = read(flat / "answers.csv"), read(flat / "sample_submission.csv")
    order = [row["id"] for row in test]
    assert [row["id"] for row in answers] == [row["id"] for row in sample] == order
    assert {row["mask"] for row in answers} == {"wear", "incorrect", "none"}
    assert {row["mask"] for row in sample} == {"wear"}


def test_a_box_lies_around_the_face_wherever_that_is(flat: Path) -> None:
    boxes = np.array(
        [[int(row[s]) for s in Box._fields] for row in read(flat / "train.csv")], dtype=float
    )
    wide, tall = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert boxes.min() >= 0 and boxes.max() <= 64
    assert wide.min() > 10 and (tall > wide).all() and tall.max() < 40
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert (np.ptp(middles, axis=0) > 15).all(), "faces are not always in the same place"


def test_what_a_mask_changes_lies_in_the_box() -> None:
    person = draw_person(np.random.default_rng(0), "male", 30)
    (wear, box), (none, _) = (
        draw_scene(np.random.default_rng(5), person, mask, 96, 0.5) for mask in ("wear", "none")
    )
    changed = np.abs(np.asarray(wear, dtype=int) - np.asarray(none, dtype=int)).max(2) > 60
    inside = changed[box.top : box.bottom + 3, box.left - 2 : box.right + 2]
    assert inside.sum() > 50 and inside.sum() > 0.9 * changed.sum()


def test_a_table_is_decided_by_its_seed(flat: Path, tmp_path: Path) -> None:
    draw_table(tmp_path, people=8, test_people=6, size=64, seed=3)
    assert contents(tmp_path) == contents(flat)


def test_the_bytes_of_a_seed_stay_as_they_were(tmp_path: Path) -> None:
    """Scores that were measured on a drawn competition are of those very photos."""
    image = draw_photo(
        np.random.default_rng(1), draw_person(np.random.default_rng(0), "female", 50), "wear", 32
    )
    pixels = np.asarray(image, dtype=float)
    assert pixels.mean(axis=(0, 1)).round(1).tolist() == [128.9, 132.7, 133.8]
