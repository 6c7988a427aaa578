"""How well the audit finds copies, and what it says of real tasks: `python -m benchmarks.audit [PART]`.

Parts: `planted`, `groups`, `tasks` and `scale`; all of them without one. The thresholds were
chosen with a look at all of these tasks: none of them is held out.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from automask.data import config
from automask.data.decoding import decode
from automask.data.description import find_reader
from automask.data.tables import Tables
from automask.diagnostics import audit, near_duplicates
from automask.machine import setup_process
from automask.storage.project import Project
from automask.study import opening, session
from benchmarks import tasks

SHARED = Path("../shared").resolve()
TASKS = ("sign-digits", "face-mask", "clothing")
ORIGINALS, COPIES, SEEDS = 250, 50, 3


def recompressed(image: Image.Image, rng: np.random.Generator) -> tuple[Image.Image, int]:
    return image, int(rng.integers(30, 71))


def cropped(image: Image.Image, rng: np.random.Generator) -> tuple[Image.Image, int]:
    """5 to 15 % off the width and the height, anywhere."""
    (width, height), off = image.size, rng.uniform(0.05, 0.15, 2)
    w, h = round(width * (1 - off[0])), round(height * (1 - off[1]))
    left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
    return image.crop((left, top, left + w, top + h)), 90


def flipped(image: Image.Image, rng: np.random.Generator) -> tuple[Image.Image, int]:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 90


KINDS: dict[str, Callable] = {"recompressed": recompressed, "cropped": cropped, "flipped": flipped}


def main() -> None:
    parts = {"planted": planted, "groups": groups, "tasks": as_they_are, "scale": scale}
    setup_process(1)
    for name in sys.argv[1:] or parts:
        if name == "scale" or (SHARED / "data").is_dir():
            parts[name]()
        else:
            print(f"no data in {SHARED}: no {name}")


def planted() -> None:
    """Copies planted among images of different groups: found, and right, a kind and a task."""
    print(
        "| task | recompressed | cropped | flipped | right, of pairs with a copy | pairs of originals |"
    )
    print("|---|---|---|---|---|---|")
    for task in ("drawn", *TASKS):
        with tempfile.TemporaryDirectory() as scratch:
            hits = dict.fromkeys(KINDS, 0)
            right = total = others = 0
            for seed in range(SEEDS):
                rng = np.random.default_rng(seed)
                paths = _originals(task, Path(scratch), rng)
                kinds = [kind for kind in KINDS for _ in range(COPIES)]
                of = [int(row) for _ in KINDS for row in rng.permutation(len(paths))[:COPIES]]
                copies = []
                for index, (kind, row) in enumerate(zip(kinds, of, strict=True)):
                    image, quality = KINDS[kind](Image.fromarray(decode(paths[row])), rng)
                    copies.append(Path(scratch) / f"copy{seed}-{index}.jpg")
                    image.save(copies[-1], quality=quality)
                pairs = near_duplicates.find_pairs(near_duplicates.thumbnails(paths + copies))
                source = np.array([*range(len(paths)), *of])
                planted_ones = (pairs.rows >= len(paths)).any(1)
                true = (source[pairs.rows[:, 0]] == source[pairs.rows[:, 1]]) & planted_ones
                known = {tuple(pair) for pair in pairs.rows[true].tolist()}
                for index, (kind, row) in enumerate(zip(kinds, of, strict=True)):
                    hits[kind] += (row, len(paths) + index) in known
                right, total = right + int(true.sum()), total + int(planted_ones.sum())
                others += int((~planted_ones).sum())
            shares = " | ".join(f"{hits[kind] / COPIES / SEEDS:.1%}" for kind in KINDS)
            print(
                f"| {task} | {shares} | {right / total:.1%} ({right:,} of {total:,}) | {others} |"
            )
            sys.stdout.flush()


def _originals(task: str, scratch: Path, rng: np.random.Generator) -> list[Path]:
    """Images of different groups."""
    if task == "drawn":
        return tasks.draw(scratch / "drawn", ORIGINALS, 96)
    rows = _tables(task).train
    _, units = np.unique(rows.groups, return_inverse=True)
    order = rng.permutation(len(rows))
    chosen = order[np.unique(units[order], return_index=True)[1]]
    return [rows.paths[row] for row in rng.permutation(chosen)[:ORIGINALS]]


def _tables(task: str) -> Tables:
    return find_reader(SHARED / "data" / task)[1]


def groups() -> None:
    """Pairs found on face-mask without its groups, held against them."""
    rows = _tables("face-mask").train
    pairs = near_duplicates.find_pairs(near_duplicates.thumbnails(rows.paths))
    declared = np.unique(rows.groups, return_inverse=True)[1]
    same = declared[pairs.rows[:, 0]] == declared[pairs.rows[:, 1]]
    sizes = np.bincount(declared)
    for name, part in (("as they are", ~pairs.mirrored), ("mirrored", pairs.mirrored)):
        print(f"face-mask, {name}: {part.sum()} pairs, {same[part].mean():.1%} in one group")
    within = int((sizes * (sizes - 1) // 2).sum())
    print(f"face-mask: {same.sum()} of {within} pairs within groups found")
    for a, b in pairs.rows[~same][:400].tolist():
        print("apart:", rows.ids[a], rows.ids[b])


def as_they_are() -> None:
    """The audit of the shared tasks."""
    for task in TASKS:
        with tempfile.TemporaryDirectory() as folder:
            project = Project(Path(folder))
            reader, tables = find_reader(SHARED / "data" / task)
            text = config.render(str(SHARED / "data" / task), reader, tables)
            project.config.write_text(text)
            begin, used = time.perf_counter(), time.process_time()
            weights = str(SHARED / "weights")
            opened = opening.open_or_survey(
                session.Options(weights=weights, device="cpu", project=project)
            )
            found = audit.find_all(opened)
            took = time.perf_counter() - begin, time.process_time() - used
            print(f"{task}: {took[0]:.0f} s, {took[1]:.0f} s of processor time")
            for line in (*opened.notes, *(f"{f.title}: {f.sentence} {f.counts}" for f in found)):
                print(f"  {line}")
            sys.stdout.flush()


def scale() -> None:
    """Seconds for 20,000 drawn thumbnails."""
    rng = np.random.default_rng(0)
    side = near_duplicates.SIDE
    images = np.empty((20_000, side, side, 3), np.uint8)
    for row in range(len(images)):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        images[row] = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC))
    begin, used = time.perf_counter(), time.process_time()
    pairs = near_duplicates.find_pairs(images)
    took = time.perf_counter() - begin, time.process_time() - used
    told = f"{took[0]:.0f} s, {took[1]:.0f} s of processor time, {os.cpu_count()} cores"
    print(f"20,000 thumbnails: {told}; {len(pairs)} pairs")


if __name__ == "__main__":
    main()
