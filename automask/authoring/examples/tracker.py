"""A tracker of mine; try it with: automask plugins check plugins/my_tracker.py"""

import json

from automask import tracker


@tracker()
def my_tracker(study, folder):
    """A line of JSON a trial that ended, in a file.

    When to use: another program reads how a search goes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return Lines(folder / "trials.jsonl", study)


class Lines:
    """Trials as they come and go, and what they told."""

    def __init__(self, file, study):
        self.file, self.study, self.trials = file, study, {}

    def begin(self, trial, values):
        self.trials[trial] = {"study": self.study, "trial": trial, "recipe": dict(values)}

    def record(self, trial, figures, step):
        if trial is not None:
            self.trials[trial][f"step {step}"] = dict(figures)

    def end(self, trial, state):
        with self.file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({**self.trials.pop(trial), "state": state}) + "\n")

    def close(self):
        self.trials.clear()
