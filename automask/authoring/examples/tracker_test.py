import json

from automask.authoring.examples.tracker import my_tracker


def test_a_trial_that_ended_is_a_line(tmp_path):
    made = my_tracker("main", tmp_path)
    made.begin(3, {"loss": "focal"})
    made.record(3, {"fold_macro_f1": 0.5}, 1)
    made.record(None, {"ensemble_so_far": 0.6}, 3)
    made.end(3, "complete")
    made.close()
    (line,) = (tmp_path / "trials.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "study": "main",
        "trial": 3,
        "recipe": {"loss": "focal"},
        "step 1": {"fold_macro_f1": 0.5},
        "state": "complete",
    }
