"""The demo at a tiny size: the whole story, with both scores at its end."""

import csv

from rich.console import Console

from automask import demo


def test_the_story_ends_with_both_scores_and_a_valid_submission(tmp_path, monkeypatch, capsys):
    for name, value in [("TRAIN_PEOPLE", 30), ("TEST_PEOPLE", 12), ("TRIALS", 2), ("FOLDS", 2)]:
        monkeypatch.setattr(demo, name, value)
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
