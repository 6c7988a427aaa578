import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automask.drawing import PHOTOS, draw_competition
from automask.faces import draw_person, draw_photo

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
