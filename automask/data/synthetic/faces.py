"""Cartoon people who wear masks, wear them wrong, or don't.

Drawn in units of half a face's height, from between the eyes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.random import Generator
from PIL import Image

from automask.data.synthetic.canvas import Color, Pen, Points, arc, mix, palette

T = TypeVar("T")
GENDERS = ("male", "female")
MASKS = ("wear", "incorrect", "none")
SUPERSAMPLING = 4
# In a list to pick from, the first is the most common: see _pick.
SKINS = palette("ffe0c4 f8d4b4 f1c6a0 e4b48a cd9870 a87452")
HAIRS = palette("201c20 2c2222 3e2a22 583a28 7c4c30 aa7c4e")
EYES = palette("3a261c 543622 704e2a 466254 42608a")
CLOTHES = palette("de5c56 f4ac54 5c9c7c 4e7cb8 343e5c 9470b0 ece8de 4a4c52 e894a8 78b4c4")
MASK_COLORS = palette("f6f7f8 a0cce8 2a2c32 f4bcca a8d8be 9698a0")
BACKDROPS = palette("e8e2d6 c4dae6 d6e4cc f0d4c8 cec8e0 fae8be 96b0be 808c96")
FRAMES = palette("26262c 6e3c2c a08c50")
BLACK, WHITE, GREY, SHADOW, RED, GOLD = palette("100c0e fcfcfa d2d2d6 401814 c43c44 f0c85a")
STYLES = {
    "male": ("crop", "quiff", "fringe", "bob"),
    "female": ("long", "bob", "wavy", "ponytail", "fringe", "bun", "crop"),
}
LENGTHS = {"bob": 0.72, "long": 1.5, "wavy": 1.35}  # how far down the loose hair goes


@dataclass(frozen=True)
class Person:
    """The traits all photos of one person share; age in years, lengths in half face heights."""

    gender: str
    age: int
    skin: Color
    hair: Color
    eyes: Color
    clothes: Color
    style: str  # one of STYLES
    part: float  # where the hair is parted, from -1 (left) to 1; far right means bangs
    receding: float  # 0 for a full hairline, 1 for bald on top
    width: float
    eye_gap: float
    softness: float  # from 0 for heavy brows and a wide jaw to 1 for big eyes and full lips
    beard: float  # opacity of its shadow; the darker ones come with a moustache
    earrings: bool
    glasses: Color | None
    wrinkles: float  # 0 for smooth, 1 for deeply lined


class Box(NamedTuple):
    """A part of an image in pixels, from left and top to below right and bottom."""

    left: int
    top: int
    right: int
    bottom: int


def draw_person(rng: Generator, gender: str, age: int) -> Person:
    """Draw the traits of a person; gender is one of GENDERS, age in years."""
    man = gender == "male"
    dyed = rng.random() < (0.1 if man else 0.3)
    grey = 0 if dyed else _unit((age - 40) / 26 + rng.normal(0, 0.2))
    return Person(
        gender=gender,
        age=age,
        skin=mix(_pick(rng, SKINS), _pick(rng, SKINS), 0.2),
        hair=mix(_pick(rng, HAIRS), GREY, grey),
        eyes=_pick(rng, EYES),
        clothes=_pick(rng, CLOTHES),
        style=_pick(rng, STYLES[gender]),
        part=rng.uniform(-0.5, 0.5),
        receding=_unit((age - 30) / 50 + rng.normal(0, 0.25)) if man else 0,
        width=rng.normal(0.74 if man else 0.71, 0.025),
        eye_gap=rng.uniform(0.29, 0.34),
        softness=_unit(rng.normal(0.25 if man else 0.75, 0.17)),
        beard=max(0, rng.uniform(-0.3, 0.3)) if man else 0,
        earrings=not man and rng.random() < 0.4,
        glasses=_pick(rng, FRAMES) if rng.random() < 0.12 + 0.25 * (age > 45) else None,
        wrinkles=_unit((age - 25) / 38 + rng.normal(0, 0.09)),
    )


def draw_photo(rng: Generator, person: Person, mask: str, size: int) -> Image.Image:
    """Draw one size x size RGB photo of a person; mask is one of MASKS, else ValueError."""
    return draw_scene(rng, person, mask, size)[0]


def draw_scene(
    rng: Generator, person: Person, mask: str, size: int, portrait: float = 1
) -> tuple[Image.Image, Box]:
    """A photo as draw_photo draws it, and the box around the face without its hair.

    The person takes a share `portrait` of the photo's side, and below 1 stands anywhere in it.
    """
    if mask not in MASKS:
        raise ValueError(f"unknown mask: {mask!r}")
    side = size * SUPERSAMPLING
    image = _backdrop(rng, side)
    center = np.array([0.5, 0.47]) + rng.normal(0, 0.03, 2)
    scale, tilt = rng.uniform(0.32, 0.39), rng.normal(0, 0.08)
    corner = rng.uniform(0, 1 - portrait, 2) if portrait < 1 else np.zeros(2)
    pen = Pen(image, side * portrait * scale, tilt, side * (corner + portrait * center))
    if portrait < 1:
        # As far down as the photo goes.
        pen.fill([(-0.9, 2), (0.9, 2), (1.1, 9), (-1.1, 9)], person.clothes)
    for draw in (_back, _head, _eyes, _mouth, _front_hair):
        draw(pen, rng, person)
    if mask != "none":
        _mask(pen, rng, person, mask)
    face = pen.place(_face(person)) / SUPERSAMPLING
    low, high = np.clip([face.min(0), face.max(0)], 0, size).round().astype(int).tolist()
    photo = _light(rng, image.resize((size, size), Image.Resampling.BOX))
    return photo, Box(*low, *high)


def _face(person: Person, start: float = 0, stop: float = 360, grow: float = 0) -> Points:
    points = arc(0, 0, person.width, 1, start, stop)
    down = np.clip(points[:, 1], 0, 1)
    points[:, 0] *= 1 + 0.25 * down - (0.15 + 0.3 * person.softness) * down**2
    return points * (1 + grow)


def _unit(value: float) -> float:
    return min(1, max(0, value))


def _pick(rng: Generator, choices: Sequence[T]) -> T:
    return choices[int(len(choices) * rng.random() ** 1.5)]


def _backdrop(rng: Generator, side: int) -> Image.Image:
    kind, first, second = rng.integers(3), _pick(rng, BACKDROPS), _pick(rng, BACKDROPS)
    corners = np.array([[first, first], [second if kind else first, first]], dtype=np.uint8)
    image = Image.fromarray(corners).resize((side, side), Image.Resampling.BICUBIC)
    pen = Pen(image, side, 0, 0)
    for _ in range(rng.integers(2, 6) if kind == 2 else 0):
        shape = arc(*rng.uniform((0, 0, 0.1, 0.1), (1, 0.8, 0.3, 0.3)))[:: rng.choice([1, 7])]
        pen.fill(shape, _pick(rng, BACKDROPS + CLOTHES), rng.uniform(0.3, 0.8))
    return image


def _back(pen: Pen, rng: Generator, person: Person) -> None:
    dark, shade = mix(person.hair, SHADOW, 0.25), mix(person.skin, SHADOW, 0.2)
    shoulders, neck = 1.35 - 0.25 * person.softness, 0.44 - 0.12 * person.softness
    wide = person.width + 0.17
    pen.fill(arc(0, 2.05, shoulders, 0.95), person.clothes)
    if end := LENGTHS.get(person.style):
        left = np.column_stack([np.full(20, -wide), np.linspace(end, -0.1, 20)])
        if person.style == "wavy":
            left[:, 0] -= 0.08 + 0.06 * np.sin(left[:, 1] * 11)
        ends = arc(0, end, wide, 0.16, 0, 180)
        top = arc(0, -0.1, wide, 1.02, 180, 360)
        pen.fill(np.vstack([left, top, left[::-1] * (-1, 1), ends]), dark)
    elif person.style == "bun":
        pen.fill(arc(0, -1.16, 0.34, 0.28), dark)
    elif person.style == "ponytail":
        pen.fill(arc(wide, 0.25, 0.24, 0.75), dark)
        pen.fill(arc(wide * 0.95, -0.45, 0.2, 0.2), person.clothes)
    pen.fill(_face(person, 175, 365, 0.07), dark)
    pen.fill(arc(0, 1.22, neck * 1.15, 0.22), shade)
    pen.fill([(-neck, 0.5), (neck, 0.5), (neck, 1.25), (-neck, 1.25)], shade)


def _head(pen: Pen, rng: Generator, person: Person) -> None:
    crease, depth = mix(person.skin, SHADOW, 0.5), person.wrinkles
    for side in (-1, 1):
        pen.fill(arc(side * person.width, 0.12, 0.13, 0.19), mix(person.skin, SHADOW, 0.16))
        pen.fill(arc(side * person.width * 1.07, 0.36, 0.06, 0.08), GOLD, person.earrings)
    pen.fill(_face(person), person.skin)
    beard = np.vstack([_face(person, 15, 165), [(-0.35, 0.42), (0, 0.36), (0.35, 0.42)]])
    pen.fill(beard, person.hair, person.beard)
    for y in (-0.28, -0.4, -0.52)[: round(depth * 3)]:
        pen.line(arc(0, y, 0.42, 0.1, 215, 325), crease, 0.035, 0.75 * depth)
    for side in (-1, 1):
        pen.fill(arc(side * 0.42, 0.32, 0.15, 0.1), RED, 0.12)
        pen.line(arc(side * person.eye_gap, 0.09, 0.15, 0.1, 20, 160), crease, 0.04, 0.85 * depth)
        fold = [(side * 0.19, 0.3), (side * 0.29, 0.42), (side * 0.32, 0.58)]
        pen.line(fold, crease, 0.045, 0.85 * depth)
        corner = side * (person.eye_gap + 0.2)
        for y in (-0.03, 0, 0.03):
            pen.line([(corner, y), (corner + side * 0.11, y * 3.4)], crease, 0.03, 0.8 * depth)


def _eyes(pen: Pen, rng: Generator, person: Person) -> None:
    soft, size, blinks = person.softness, 0.12 + 0.025 * person.softness, rng.random() < 0.04
    tall = size * (0.05 if blinks else rng.uniform(0.6, 0.9) - 0.2 * person.wrinkles)
    gaze, lift = rng.normal(0, 0.02, 2)
    for side in (-1, 1):
        x, iris = side * person.eye_gap, min(0.72 * size, tall)
        pen.fill(arc(x, 0, size * 1.15, tall), WHITE)
        pen.fill(arc(x + gaze, 0, size * 0.68, iris), person.eyes)
        pen.fill(arc(x + gaze, 0, size * 0.36, iris * 0.55), BLACK)
        pen.fill(arc(x + gaze + 0.03, -0.03, size * 0.2, iris * 0.22), WHITE)
        lash = [(x + side * size, -0.02), (x + side * (size + 0.09), -0.02 - 0.08 * soft)]
        brow = arc(x, lift - 0.16, size * 1.5, 0.1, 205, 335)
        pen.line(arc(x, 0, size * 1.2, tall, 190, 350), SHADOW, 0.03 + 0.03 * soft)
        pen.line(lash, SHADOW, 0.045, soft)
        pen.line(brow, mix(person.hair, SHADOW, 0.5), 0.1 - 0.05 * soft)
        if person.glasses:
            pen.line(arc(x, 0.02, 0.24, 0.2), person.glasses, 0.045)
            for start, stop in ((x + side * 0.24, side * 0.72), (x - side * 0.24, 0)):
                pen.line([(start, 0), (stop, 0)], person.glasses, 0.045)


def _mouth(pen: Pen, rng: Generator, person: Person) -> None:
    shade, soft = mix(person.skin, SHADOW, 0.35), person.softness
    pen.line(arc(0, 0.3, 0.15 - 0.04 * soft, 0.09, 10, 170), shade, 0.05)
    pen.line([(0.02, 0.08), (0.05, 0.28)], shade, 0.035, 0.5)
    smile, gape, full = rng.normal(0.06, 0.06), max(0, rng.normal(0, 0.06)), 0.04 + 0.04 * soft
    x, lips = np.linspace(-1, 1, 15), mix(person.skin, RED, 0.2 + 0.45 * soft)
    middle = np.column_stack([x * rng.uniform(0.2, 0.28), 0.6 + smile * (0.4 - x**2)])
    bow = np.column_stack([0 * x, 1 - x**2])
    pen.fill(np.vstack([middle - bow * full, (middle + bow * (gape + full * 1.3))[::-1]]), lips)
    pen.fill(np.vstack([middle, (middle + bow * gape)[::-1]]), WHITE)
    pen.line(middle, mix(lips, SHADOW, 0.6), 0.03)
    if person.beard > 0.2:
        pen.fill([(-0.26, 0.54), (0, 0.42), (0.26, 0.54), (0, 0.52)], person.hair, 0.9)


def _front_hair(pen: Pen, rng: Generator, person: Person) -> None:
    x, fullness = np.linspace(1, -1, 41), 1 - person.receding
    crown = _face(person, 180, 360, 0.03 + 0.06 * fullness)
    if person.style in ("crop", "quiff"):
        y = -0.66 + 0.12 * (x - person.part) ** 2 + 0.4 * x**8
        crown[1::3] *= 1 + 0.06 * fullness
    elif person.part > 0.2 or person.style == "fringe":
        y = -0.36 + 0.03 * np.cos(x * 14) + 0.2 * x**8
    else:
        y = -0.78 + 0.55 * np.abs(x - person.part) ** 1.2 + 0.1 * x**8
    if person.style == "quiff":
        crown[:, 1] -= 0.16 * fullness * np.exp(-((crown[:, 0] - 0.2) ** 2) * 6)
    y -= person.receding * (0.25 + 0.3 * np.exp(-(((np.abs(x) - 0.55) / 0.25) ** 2)))
    hairline = np.column_stack([x * person.width, np.clip(y, -np.sqrt(1 - x**2), 0)])
    pen.fill(np.vstack([crown, hairline]), person.hair)
    pen.line(arc(0.1, -0.2, person.width * 0.7, 0.75, 285, 325), WHITE, 0.06, 0.2 * fullness)


def _mask(pen: Pen, rng: Generator, person: Person, mask: str) -> None:
    color, x = _pick(rng, MASK_COLORS), np.linspace(-1, 1, 9)
    edge, seam = mix(color, SHADOW, 0.18), mix(color, SHADOW, 0.3)
    top = rng.normal(0.16 if mask == "wear" else _pick(rng, (0.39, 0.72)), 0.035)
    low = _face(person, 0, 180, 0.05)
    low = low[low[:, 1] > top + 0.12]
    for side, cheek in ((1, low[0]), (-1, low[-1])):
        for point, y in ((cheek, 0.08), (low[len(low) // 5 * side], 0.25)):
            pen.line([point, (side * person.width * 1.04, y)], edge, 0.045)
    bridge = np.column_stack([0.3 * x, top - 0.06 * (1 - x**2)])
    outline = np.vstack([low, bridge, low[:1]])
    pen.fill(outline, color)
    pen.line(outline, edge, 0.035)
    for share in (0.3, 0.5, 0.7):
        y, wide = top - 0.05 + share * (1.05 - top), person.width * (0.8 - 0.3 * share)
        pen.line(arc(0, y, wide, 0.06, 20, 160), seam, 0.03)


def _light(rng: Generator, image: Image.Image) -> Image.Image:
    ramp, (across, down) = np.linspace(-1, 1, image.width), rng.normal(0, 0.1, 2)
    gradient = 1 + across * ramp[None, :, None] + down * ramp[:, None, None]
    tint = rng.uniform(0.78, 1.1) * rng.normal(1, 0.035, 3)
    pixels = np.asarray(image) * gradient * tint
    noise = rng.normal(0, rng.uniform(1, 5), pixels.shape)
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))
