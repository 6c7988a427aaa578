"""`python -m benchmarks.gpu`: every figure on a GPU, in under eight minutes, into gpu.json.

`python -m benchmarks.gpu folds tests` measures those sections alone and replaces their figures. A
section is a process of its own with a time limit; what it printed until then counts.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import torch

from automask.machine import setup_process
from benchmarks.gpu import folds, searching, training
from benchmarks.measure import Figure

FILE = Path(__file__).parents[1] / "gpu.json"
Section = Callable[[Path], Iterator[Figure]]
#: Each with its limit in seconds, the most telling first; and what all may take.
SECTIONS: dict[str, tuple[Section, int]] = {
    "training": (training.figures, 120),
    "folds": (folds.figures, 90),
    "sign-digits": (partial(searching.minute, "sign-digits"), 130),
    "clothing": (partial(searching.minute, "clothing"), 140),
    "tests": (searching.tests, 60),
    "workers": (searching.workers, 90),
}
TIME = 475


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--json"]:
        setup_process()
        for figure in SECTIONS[arguments[1]][0](Path(arguments[2])):
            print(json.dumps(dataclasses.asdict(figure)), flush=True)
        return
    if not torch.cuda.is_available():
        sys.exit("there is no GPU here")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {os.cpu_count()} cores")
    values = json.loads(FILE.read_text()) if FILE.exists() and arguments else {}
    begin = time.time()
    with tempfile.TemporaryDirectory() as folder:
        for section in arguments or SECTIONS:
            limit = min(SECTIONS[section][1], TIME - (time.time() - begin))
            for figure in measured(section, Path(folder), limit):
                print(row(figure), flush=True)
                values[figure.name] = {
                    "value": round(figure.value, 4),
                    "goal": figure.goal,
                    "unit": figure.unit,
                    "better": figure.better,
                }
                FILE.write_text(json.dumps(values, indent=1) + "\n")
            print(f"<!-- {section}: {time.time() - begin:.0f} s so far -->", flush=True)


def measured(section: str, folder: Path, limit: float) -> Iterator[Figure]:
    """A section's figures as they come, until it ends or its time is up."""
    command = [sys.executable, "-m", "benchmarks.gpu", "--json", section, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    alarm = threading.Timer(limit, os.killpg, (process.pid, 9))
    alarm.start()
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            yield Figure(**json.loads(line))
    if process.wait():
        print(f"{section}: ended with exit code {process.returncode}", flush=True)
    alarm.cancel()


def row(figure: Figure) -> str:
    sign = "≥" if figure.better == "bigger" else "≤"
    unit = "" if figure.unit == "ratio" else f" {figure.unit}"
    met = "yes" if figure.met else "no"
    cells = [figure.name, f"{figure.value:.3g}{unit}", f"{sign} {figure.goal:g}{unit}", met]
    return f"| {' | '.join([*cells, figure.note])} |"


if __name__ == "__main__":
    main(sys.argv[1:])
