"""The demo at a tiny size: the whole story, with both scores at its end."""

import csv

import pytest
from rich.console import Console

from automask.api import demo as story
from automask.cli import demo
from automask.errors import UserError


def test_the_story_ends_with_both_scores_and_a_valid_submission(tmp_path, monkeypatch, capsys):
    for name, value in [("TRAIN_PEOPLE", 30), ("TEST_PEOPLE", 12), ("TRIALS", 2), ("FOLDS", 2)]:
        monkeypatch.setattr(story, name, value)
    demo.run(tmp_path / "demo", 0, Console(width=200))
    out = capsys.readouterr().out
    assert "no pretrained weights" in out
    assert "out of fold: macro_f1 0." in out
    assert "true test score:" in out
    with open(tmp_path / "demo/submission.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    with open(tmp_path / "demo/data/eval/info.csv", newline="") as file:
        sample = list(csv.DictReader(file))
    assert [row["ImageID"] for row in rows] == [row["ImageID"] for row in sample]
    assert {int(row["ans"]) for row in rows} <= set(range(18))


def test_a_folder_of_somebody_else_is_refused_and_one_left_in_the_middle_is_not(
    tmp_path, monkeypatch
):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").touch()
    with pytest.raises(UserError, match="isn't a demo's"):
        demo.run(tmp_path / "mine", 0, Console())

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(story.competition, "draw_competition", interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            demo.run(tmp_path / "demo", 0, Console())
