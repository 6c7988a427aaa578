"""What a search shows, in a terminal and without one."""

import io

import numpy as np
from rich.console import Console
from test_training import recipe

from automask.display import Display
from automask.progress import Step
from automask.search import Event


def shown(terminal):
    made = recipe()
    console = Console(file=io.StringIO(), width=80, force_terminal=terminal, highlight=False)
    with Display(console, trials=5, done=1, best=0.4, metric="macro_f1") as display:
        display.tell(Event("begin", 1, made))
        display.tell(Event("end", 1, made, None, "complete", 0.5, 12.0))
        display.tell(Event("begin", 2, made))
        display.tell(Event("end", 2, made, None, "not-a-number", None, 3.0, "[nan] it was"))
        display.tell(Event("begin", 3, made))
        display.tell(Event("step", 3, made, Step(1, 2, 8, np.nan)))
    return console.file.getvalue()


def test_a_terminal_shows_trials_states_and_how_far_the_present_one_is():
    out = shown(True)
    for part in ("trial", "macro_f1", "complete", "0.5000 *", "not-a-number", "12 s"):
        assert part in out
    assert "fold 2, epoch 2 of 8" in out
    assert "2 of 5 trials, 0 pruned, 1 failed, best 0.5000" in out


def test_elsewhere_each_trial_is_a_plain_line():
    lines = shown(False).splitlines()
    assert lines[0].startswith("trial 1: complete 0.5000 in 12 s (best 0.5000), test_resnet 32px")
    assert lines[1].startswith("trial 2: not-a-number in 3 s (best 0.5000)")
    assert lines[1].endswith(": [nan] it was")
    assert len(lines) == 2
