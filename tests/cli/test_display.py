"""What a search shows, in a terminal and without one."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from automask.cli.display import Display
from automask.hpo.limits import Limits
from automask.hpo.progress import Event, Step
from automask.study.run import SearchStart
from automask.study.summary import Ended, Overview
from helpers.recipes import recipe

NOW = 1e9


@pytest.fixture(autouse=True)
def stopped_clock(monkeypatch):
    monkeypatch.setattr("automask.cli.display.time", SimpleNamespace(time=lambda: NOW))


def nothing(*ended):
    overview = Overview("macro_f1")
    for trial in ended:
        overview.add(trial)
    return overview


def shown(terminal, overview=None, width=80, height=25, deadline=None, workers=1):
    made = recipe()
    console = Console(
        file=io.StringIO(), width=width, height=height, force_terminal=terminal, highlight=False
    )
    overview = overview or nothing(Ended(0, "complete", made, 0.4, 8.0))
    with Display(console) as display:
        display.publish(SearchStart(overview, Limits(5, deadline), workers, 5))
        display.publish(Event("begin", 1, made))
        display.publish(Event("end", 1, made, None, "complete", 0.5, 12.0))
        display.publish(Event("begin", 2, made))
        display.publish(Event("end", 2, made, None, "not-a-number", None, 3.0, "[nan] it was"))
        display.publish(Event("begin", 3, made))
        display.publish(Event("step", 3, made, Step(1, 2, 8, np.nan)))
    return console.file.getvalue()


def test_a_terminal_shows_trials_states_and_how_far_the_present_one_is():
    out = shown(True)
    for part in ("trial", "macro_f1", "complete", "0.5000 *", "not-a-number", "12 s"):
        assert part in out
    assert "fold 2, epoch 2 of 8" in out
    assert "2 of 5 trials: 2 complete, 0 pruned, 1 failed" in out
    assert "best 0.5000, since trial 1, 0 s ago" in out
    assert "0 s so far, about 30 s left" in out, "three trials of ten seconds"


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("height", [12, 25])
def test_the_live_view_fits_the_terminal(width, height):
    made = recipe()
    many = nothing(*(Ended(n, "complete", made, 0.4, 8.0) for n in range(30)))
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True)
    display = Display(console)
    display.publish(SearchStart(many, Limits(50, NOW + 3600), 1, 5))
    for number in range(30, 33):
        display.publish(Event("step", number, made, Step(4, 20, 20, np.nan)))
    lines = console.render_lines(display._render(), pad=False)
    text = ["".join(segment.text for segment in line) for line in lines]
    assert len(text) < height
    assert text[0].split() == ["trial", "state", "macro_f1", "time", "recipe"]
    assert any("fold 5, epoch 20 of 20" in line for line in text)
    assert any("about 3 min left" in line for line in text), (
        "20 trials of 8 s, sooner than the hour"
    )


def test_the_deadline_counts_where_it_comes_first():
    assert "0 s so far, about 7 s left" in shown(True, deadline=NOW + 7)


def test_more_workers_are_done_sooner():
    assert "about 15 s left" in shown(True, workers=2)


def test_elsewhere_each_trial_is_a_plain_line():
    lines = shown(False).splitlines()
    assert lines[0].startswith("trial 1: complete 0.5000 in 12 s (best 0.5000), test_resnet 32px")
    assert lines[1].startswith("trial 2: not-a-number in 3 s (best 0.5000)")
    assert lines[1].endswith(": [nan] it was")
    assert len(lines) == 2


def test_the_ensemble_so_far_is_told_with_the_trial_that_brought_it():
    made = recipe()
    overview = Overview("macro_f1", lambda: {0: 0.6, 1: 0.9, 2: 0.9})
    for number, value in enumerate((0.6, 0.61, 0.1)):
        overview.add(Ended(number, "complete", made, value, 1.0, at=100.0))
    assert overview.best.trial == overview.blended.trial == 1, "the third is no help"
    assert "ensemble so far 0.9000" in shown(False, overview)


def test_what_pruning_left_out_is_told_as_a_share_and_in_time():
    made = recipe()
    overview = nothing(Ended(0, "complete", made, 0.4, 100.0))
    console = Console(file=io.StringIO(), width=80)
    display = Display(console)
    display.publish(SearchStart(overview, Limits(5), 1, 5))
    display.publish(Event("step", 1, made, Step(0, 8, 8, np.nan)))
    display.publish(Event("end", 1, made, None, "pruned", None, 20.0))
    share, seconds = overview.saved
    assert share == pytest.approx(0.4), "four folds of five of one trial of two"
    assert seconds == pytest.approx(80.0)
    console.print(display._render())
    assert "pruning left out 40% of the training, about 80 s" in console.file.getvalue()
