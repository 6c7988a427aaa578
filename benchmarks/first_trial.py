"""How long after `pip install` the first trial is there: an empty environment and a folder of pictures.

`python -m benchmarks.first_trial WHEEL [OPTION…]` installs the wheel, whose dependencies come from here,
and times `automask init` and a search with these options until its first trial is complete: with no
bytecode of any package, as some installers leave them, and again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.measure import seconds
from tests.helpers.environments import install

GOAL = 30.0
PICTURES, WIDTH, HEIGHT = 200, 320, 240
COMMANDS = (["--help"], ["init", "data"], ["search", "--trials", "1", "--quiet"])


def main(wheel: str, *options: str) -> None:
    with tempfile.TemporaryDirectory(prefix="first-trial-") as name:
        folder = Path(name)
        program = install(folder / "environment", wheel) / "automask"
        # All bytecode lies in a folder that is empty at first, that of libraries too.
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for run in ("nothing compiled", "again"):
            project = folder / run
            draw(project / "data")

            def execute(command: list[str], project: Path = project) -> None:
                line = [program, *command, *(options if command[0] == "search" else ())]
                subprocess.run(
                    line, cwd=project, env=environment, check=True, stdout=subprocess.DEVNULL
                )

            times = {c[0]: seconds(lambda c=c: execute(c)) for c in COMMANDS}
            each = ", ".join(f"{command} {time:.1f} s" for command, time in times.items())
            print(f"{run}: {sum(times.values()):.1f} s of {GOAL:g} s ({each})", flush=True)


def draw(folder: Path) -> None:
    """Two class folders of JPEGs, reddish and bluish, with noise."""
    rng = np.random.default_rng(0)
    for index in range(PICTURES):
        name, colour = (("red", (170, 90, 80)), ("blue", (80, 90, 170)))[index % 2]
        pixels = np.array(colour) + rng.integers(-60, 60, (HEIGHT, WIDTH, 3))
        (folder / name).mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        image.save(folder / name / f"{index:03}.jpg", quality=90)


if __name__ == "__main__":
    main(*sys.argv[1:])
