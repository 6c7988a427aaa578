"""How soon the command line answers."""

from __future__ import annotations

import statistics
import subprocess
import sys

from benchmarks.measure import SMALLER, Figure, in_turn

GOALS = {"--help": 0.2, "plugins": 0.5}


def figures() -> list[Figure]:
    times = in_turn(
        {
            word: lambda word=word: subprocess.run(
                [sys.executable, "-m", "automask", word], check=True, stdout=subprocess.DEVNULL
            )
            for word in GOALS
        },
        9,
    )
    return [
        Figure(
            f"automask {word}",
            statistics.median(times[word]),
            goal,
            "s",
            SMALLER,
            (min(times[word]), max(times[word])),
        )
        for word, goal in GOALS.items()
    ]
