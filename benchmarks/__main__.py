"""`python -m benchmarks`: every figure, each group in a process of its own, into RESULTS.md.

`python -m benchmarks heads startup` measures those groups alone and writes nothing.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

from benchmarks.measure import Figure

FOLDER = Path(__file__).parent
GROUPS = ("startup", "decoding", "heads", "epochs", "blending", "searches")
PACKAGES = ("torch", "torchvision", "timm", "optuna", "numpy", "opencv-python-headless", "pillow")


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--json"]:
        found = importlib.import_module(f"benchmarks.{arguments[1]}").figures()
        print(json.dumps([dataclasses.asdict(figure) for figure in found]))
        return
    begin, groups = time.time(), tuple(arguments) or GROUPS
    found = [figure for group in groups for figure in measured(group)]
    if groups == GROUPS:
        values = {
            f.name: {"value": f.value, "goal": f.goal, "unit": f.unit, "better": f.better}
            for f in found
        }
        (FOLDER / "results.json").write_text(json.dumps(values, indent=1) + "\n")
        (FOLDER / "RESULTS.md").write_text(report(found, time.time() - begin))


def measured(group: str) -> list[Figure]:
    """A group's figures, measured where nothing of another group is in memory."""
    print(f"{group} …", flush=True)
    command = [sys.executable, "-m", "benchmarks", "--json", group]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = [Figure(**figure) for figure in json.loads(done.stdout.splitlines()[-1])]
    for figure in found:
        print("  " + " | ".join(row(figure)), flush=True)
    return found


def row(figure: Figure) -> list[str]:
    sign = "≥" if figure.better == "bigger" else "≤"
    unit = "" if figure.unit == "ratio" else f" {figure.unit}"
    low, high = figure.spread or (figure.value, figure.value)
    spread = f"{low:.3g} to {high:.3g}" if figure.spread else ""
    met = "yes" if figure.met else "no"
    goal = f"{sign} {figure.goal:g}{unit}"
    return [figure.name, f"{figure.value:.3g}{unit}", goal, met, spread, figure.note]


def report(found: list[Figure], wall: float) -> str:
    head = ["figure", "measured", "goal", "met", "spread", "what was seen"]
    cells = [head, ["---"] * len(head), *map(row, found)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in cells)
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"""\
# Measured speed

Written by `make bench` in {wall / 60:.0f} minutes on {processor()}, {os.cpu_count()} cores,
{platform.system()} {platform.release()}, Python {platform.python_version()}; {versions}.

Ratios compare two sides in one run, in turn, the median of several rounds; the spread is the least and
the largest round. What each side does is in `benchmarks/`, what was tried in `docs/speed.md`.

{table}
"""


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.partition(":")[2].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main(sys.argv[1:])
