"""A competition drawn from nothing: photos of cartoon people, their tables and the answers."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image

from automask.data.synthetic.canvas import Pen
from automask.data.synthetic.faces import (
    GENDERS,
    MASKS,
    Box,
    Person,
    draw_person,
    draw_photo,
    draw_scene,
)

PHOTOS = dict.fromkeys(["mask1", "mask2", "mask3", "mask4", "mask5"], "wear")


PHOTOS |= {"incorrect_mask": "incorrect", "normal": "none"}


SHARES = np.outer((0.4, 0.6), (0.45, 0.45, 0.1)).ravel()  # of each gender and age class
AGES = ((18, 21, 30), (30, 50, 60), (60, 62, 74))  # from, most often, below


def draw_competition(
    folder: Path, *, train_people: int, test_people: int, size: int = 64, seed: int = 0
) -> None:
    """Write train/, eval/ and answers.csv into folder, photos size x size pixels.

    The same seed writes the same bytes. With six people or more a split has every pair of
    gender and age class. Raises OSError where folder can't be written.
    """
    train_rng, test_rng = np.random.default_rng(seed).spawn(2)
    _write_train(folder / "train", train_rng, train_people, size)
    answers = list(_write_test(folder / "eval", test_rng, test_people, size))
    test_rng.shuffle(answers)
    _write_csv(folder / "answers.csv", ("ImageID", "ans"), answers)
    sample = [(name, 0) for name, _ in answers]
    _write_csv(folder / "eval" / "info.csv", ("ImageID", "ans"), sample)


def draw_table(
    folder: Path,
    *,
    people: int,
    test_people: int,
    size: int = 96,
    seed: int = 0,
    portrait: float = 0.6,
) -> None:
    """The same kind of people as a table: train.csv, test.csv, sample_submission.csv, answers.csv.

    Columns are id, path, mask, gender, age in years, person, and the box of the face in pixels: left,
    top, right, bottom. A person takes a share `portrait` of the photo's side, anywhere in it. The same
    seed writes the same bytes. Raises OSError where folder can't be written.
    """
    train_rng, test_rng = np.random.default_rng(seed).spawn(2)
    train = list(_scenes(folder, train_rng, "a", people, size, portrait))
    test = list(_scenes(folder, test_rng, "b", test_people, size, portrait))
    test_rng.shuffle(test)
    columns = ("id", "mask", "gender", "age")
    _write_dicts(folder / "train.csv", list(train[0]), train)
    _write_dicts(folder / "test.csv", ("id", "path", *Box._fields), test)
    _write_dicts(folder / "answers.csv", columns, test)
    blank = {"mask": "wear", "gender": "male", "age": "<30"}
    _write_dicts(folder / "sample_submission.csv", columns, [row | blank for row in test])


def _scenes(
    folder: Path, rng: Generator, letter: str, count: int, size: int, portrait: float
) -> Iterator[dict[str, str | int]]:
    """Draw all photos of so many people into images/; their rows."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number, person in enumerate(_draw_people(rng, count)):
        for shot, mask in enumerate(PHOTOS.values()):
            name = f"{letter}{number:04d}{shot}"
            photo, box = draw_scene(rng, person, mask, size, portrait)
            photo.save(folder / "images" / f"{name}.jpg", quality=90)
            yield {
                "id": name,
                "path": f"images/{name}.jpg",
                "mask": mask,
                "gender": person.gender,
                "age": person.age,
                "person": f"{letter}{number:04d}",
                **box._asdict(),
            }


def _write_dicts(
    path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str | int]]
) -> None:
    _write_csv(path, columns, ([row[column] for column in columns] for row in rows))


def _write_train(folder: Path, rng: Generator, count: int, size: int) -> None:
    rows = []
    for number, person in enumerate(_draw_people(rng, count), start=1):
        row = (f"{number:06d}", person.gender, "Asian", str(person.age))
        rows.append((*row, "_".join(row)))
        home = folder / "images" / rows[-1][-1]
        home.mkdir(parents=True, exist_ok=True)
        for name, mask in PHOTOS.items():
            draw_photo(rng, person, mask, size).save(home / f"{name}.jpg", quality=90)
    _write_csv(folder / "train.csv", ("id", "gender", "race", "age", "path"), rows)


def _write_test(folder: Path, rng: Generator, count: int, size: int) -> Iterator[tuple[str, int]]:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for person in _draw_people(rng, count):
        for mask in PHOTOS.values():
            name = f"{rng.bytes(20).hex()}.jpg"
            draw_photo(rng, person, mask, size).save(folder / "images" / name, quality=90)
            yield name, _class_number(mask, person)


def _class_number(mask: str, person: Person) -> int:
    age_class = sum(person.age >= first for first, _, _ in AGES[1:])
    return MASKS.index(mask) * 6 + GENDERS.index(person.gender) * 3 + age_class


def _draw_people(rng: Generator, count: int) -> Iterator[Person]:
    quotas = np.maximum(1, np.floor(count * SHARES)).astype(int)
    groups = np.repeat(np.arange(len(SHARES)), quotas)
    rest = rng.choice(len(SHARES), max(0, count - len(groups)), p=SHARES)
    for group in rng.permutation(np.concatenate([groups, rest]))[:count]:
        gender, ages = GENDERS[group // len(AGES)], AGES[group % len(AGES)]
        yield draw_person(rng, gender, int(rng.triangular(*ages)))


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str | int]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def draw_arrows(
    folder: Path, *, rows: int, directions: Sequence[str], size: int = 48, seed: int = 0
) -> None:
    """Write a table task into folder: arrows whose class is where they point.

    Of `directions` left, right, up and down, in turn; position, size, colours and a tilt up to 15° are
    drawn at random. The same seed writes the same bytes.
    """
    rng = np.random.default_rng(seed)
    turns = {"right": 0.0, "down": 90.0, "left": 180.0, "up": 270.0}
    arrow = [(-1, -0.25), (0.2, -0.25), (0.2, -0.7), (1, 0), (0.2, 0.7), (0.2, 0.25), (-1, 0.25)]
    table = []
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for index in range(rows):
        direction = directions[index % len(directions)]
        paper, ink = rng.integers(120, 256, 3), rng.integers(0, 90, 3)
        if rng.random() < 0.5:
            paper, ink = ink, paper
        image = Image.new("RGB", (size, size), tuple(paper.tolist()))
        scale = size * rng.uniform(0.2, 0.35)
        origin = rng.uniform(scale, size - scale, 2)
        # A pen turns the other way round.
        tilt = -np.radians(turns[direction] + rng.uniform(-15, 15))
        Pen(image, scale, tilt, origin).fill(arrow, tuple(ink.tolist()))
        image.save(folder / f"images/{index}.png")
        table.append((str(index), f"images/{index}.png", direction))
    _write_csv(folder / "train.csv", ("id", "path", "label"), table)
