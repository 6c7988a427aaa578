"""The benchmark of budgets: what is set aside, scored and told."""

import pandas as pd
import pytest

from benchmarks import budget


def line(side, score, seed=0, wall=299.0, task="a"):
    facts = zip(budget.KEYS, (side, task, "lite0", 300, seed), strict=True)
    return {**dict(facts), "score": score, "wall": wall}


def test_the_score_is_of_the_joint_class_of_what_was_set_aside(tmp_path):
    truth = pd.DataFrame({"id": ["a", "b", "c"], "one": ["x", "y", "y"], "two": ["1", "1", "2"]})
    truth.to_csv(tmp_path / "truth.csv", index=False)
    assert budget.score(tmp_path) == 0.0, "without an answer"
    truth.iloc[::-1].to_csv(tmp_path / "submission.csv", index=False)
    assert budget.score(tmp_path) == 1.0
    truth.assign(two="1").to_csv(tmp_path / "submission.csv", index=False)
    assert budget.score(tmp_path) == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_figures_are_means_over_seeds_and_leads_on_the_best_other():
    lines = [line("automask", 0.8), line("automask", 0.9, 1, 303.0), line("script", 0.7)]
    found = budget.figures(lines)
    assert found["automask, a, lite0, 300 s"]["value"] == 0.85
    assert found["lead, a, lite0, 300 s"]["value"] == 0.15
    assert found["seconds beyond the budget"] == {
        "value": 3.0,
        "goal": budget.LATE,
        "unit": "s",
        "better": "low",
    }
