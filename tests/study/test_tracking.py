"""News of a search passed on to trackers, good and bad."""

import threading

import pytest

from automask import tracker as kind
from automask.errors import UserError
from automask.hpo.limits import Limits
from automask.listener import listening
from automask.space import registry
from automask.study import run, tracking
from automask.study.tracking import record_ensemble, tracked


class Notebook:
    """Keeps what it is told; raises at the `bad` method."""

    def __init__(self, bad=""):
        self.lines, self.bad = [], bad

    def __getattr__(self, method):
        if method not in ("begin", "record", "end", "close"):
            raise AttributeError(method)

        def keep(*arguments):
            if method == self.bad:
                raise SystemExit("the server is gone")
            self.lines.append((method, *arguments))

        return keep


@pytest.fixture
def notebook(monkeypatch):
    """A tracker of the name `notebook`; what it was told, and with what it was made."""
    book = Notebook()
    registry.load()
    before = dict(kind.plugins)

    def notebook(study, folder):
        """A notebook."""
        book.made = study, folder
        return book

    kind()(notebook)
    yield book
    kind.plugins.clear()
    kind.plugins.update(before)


def search(study, trials=2):
    return run.search(study, Limits(trials), 1)


def test_a_trial_is_told_from_its_beginning_to_its_end(study, notebook):
    with tracked(["notebook"], study.options):
        search(study)
    name, folder = notebook.made
    assert name.endswith("-main") and folder.parts[-2:] == ("trackers", "notebook")
    of_first = [line for line in notebook.lines if line[1:2] == (0,)]
    methods = [line[0] for line in of_first]
    assert methods == ["begin", "record", "record", "record", "record", "end"]
    assert of_first[0][2]["backbone.timm.model"] == "test_resnet"
    assert [line[3] for line in of_first[1:5]] == [1, 2, 3, 0]
    assert set(of_first[1][2]) == {"fold_macro_f1"}
    assert set(of_first[4][2]) == {"seconds", "macro_f1"}
    assert of_first[-1] == ("end", 0, "complete")
    so_far = [line for line in notebook.lines if line[:2] == ("record", None)]
    assert [set(line[2]) for line in so_far] == [{"ensemble_so_far"}] * len(so_far) and so_far
    assert notebook.lines[-1] == ("close",)


@pytest.mark.parametrize("bad", ["begin", "record", "end", "close"])
def test_a_tracker_that_raises_is_told_once_and_left(study, notebook, heard, bad):
    notebook.bad = bad
    with tracked(["notebook"], study.options):
        end = search(study)
    assert [trial.state for trial in end.trials] == ["complete", "complete"]
    said = [note for note in heard.notes if "tracker" in note]
    assert said == ["tracker 'notebook' is left: the server is gone; the trials go on without it"]


def test_a_tracker_that_hangs_holds_up_nothing(study, notebook, heard, monkeypatch):
    monkeypatch.setattr(tracking, "LAST", 0.1)
    gate = threading.Event()
    monkeypatch.setattr(Notebook, "begin", lambda *_: gate.wait(), raising=False)
    with tracked(["notebook"], study.options):
        end = search(study)
    gate.set()
    assert [trial.state for trial in end.trials] == ["complete", "complete"]
    assert any("didn't end within" in note for note in heard.notes)


def test_who_listens_hears_all_the_same(study, notebook, heard):
    with tracked(["notebook"], study.options):
        search(study, 1)
    assert {type(event).__name__ for event in heard.events} == {
        "SearchStart",
        "Event",
        "SearchEnd",
    }
    before = len(heard.events)
    with listening(heard), tracked([], study.options):
        search(study, 1)
    assert len(heard.events) > before


def test_an_ensemble_is_a_figure_of_the_study(study, notebook):
    record_ensemble(["notebook"], study.options, {"nested_macro_f1": 0.5, "none": float("nan")})
    assert notebook.lines == [("record", None, {"nested_macro_f1": 0.5}, 0), ("close",)]


def test_what_is_not_there_is_refused_before_anything_trains(study, notebook, monkeypatch):
    with (
        pytest.raises(UserError, match="did you mean 'notebook'"),
        tracked(["notebok"], study.options),
    ):
        pass

    def lacking(study, folder):
        """A tracker of a package that isn't installed."""
        import nothing_of_that_name  # noqa: F401

    kind()(lacking)
    with (
        pytest.raises(UserError, match="pip install nothing_of_that_name"),
        tracked(["lacking"], study.options),
    ):
        pass
