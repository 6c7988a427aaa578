"""Whether mirrored images keep their class, and what follows for the space."""

from dataclasses import replace

import numpy as np
import pytest

from automask import Categorical
from automask.data import config, description
from automask.data.synthetic.competition import draw_arrows
from automask.diagnostics import flip_test
from automask.hpo.limits import Limits
from automask.space import space_file
from automask.study import adaptation, opening, workers
from automask.study import flips as flips_module
from automask.study.session import Options
from helpers.competition import draw_table
from helpers.searches import FOLDS


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """Begins a study of data that a function draws, in a shipped space that needs no weights."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "augmentations.toml").write_text("[augmentation.light]\n[augmentation.none]\n")

    def begin(draw, adapts=True):
        draw(tmp_path / "data")
        reader, tables = description.find_reader(tmp_path / "data")
        text = config.render(str(tmp_path / "data"), reader, tables)
        (tmp_path / "automask.toml").write_text(text)
        return start(adapts)

    def start(adapts=True):
        listed = space_file.load("demo")
        both = listed.competitors | {
            "augmentation": {
                "light": {"flip": Categorical(False, True)},
                "none": {},
            }
        }
        chosen = replace(listed, competitors=both, adapts=adapts)
        monkeypatch.setattr(opening.space_file, "load", lambda *where: chosen)
        return opening.begin(Options(space="demo", folds=FOLDS))

    begin.again = start
    return begin


def arrows(*directions, rows=120):
    return lambda folder: draw_arrows(folder, rows=rows, directions=directions, size=32)


def flips(opened):
    return opened.space.competitors["augmentation"]["light"]["flip"].choices


def test_arrows_that_point_left_or_right_lose_their_class(opened, heard):
    begun = opened(arrows("left", "right"))
    decided = flips_module.settle_flips(begun)
    assert flips(begun) == (False, True) and flips(decided) == (False,)
    assert "lose their class" in heard.notes[0] and "no flips" in heard.notes[0]
    assert not adaptation.has_open_flips(decided.space)
    assert decided.space.competitors["augmentation"]["none"] == {}


def test_two_classes_of_four_are_enough(opened, heard):
    begun = opened(arrows("left", "up", "right", "down", rows=200))
    assert flips(flips_module.settle_flips(begun)) == (False,)
    assert "; left: " in heard.notes[0] or "; right: " in heard.notes[0]


@pytest.mark.parametrize("draw", [arrows("up", "down"), draw_table], ids=["arrows", "colours"])
def test_arrows_up_and_down_and_plain_colours_keep_theirs(opened, draw, heard):
    opened_ = opened(lambda folder: folder.mkdir() or draw(folder))
    assert flips(flips_module.settle_flips(opened_)) == (False, True)
    assert "keep their class" in heard.notes[0]


def test_a_study_that_goes_on_keeps_the_decision_without_measuring(opened, monkeypatch, heard):
    flips_module.settle_flips(opened(arrows("left", "right")))
    monkeypatch.delattr(flips_module, "_measured")
    assert flips(flips_module.settle_flips(opened.again())) == (False,)
    assert heard.notes[0] == heard.notes[1]


def test_a_space_of_the_users_own_is_taken_at_its_word(opened, monkeypatch):
    begun = opened(arrows("left", "right", rows=30), adapts=False)
    monkeypatch.delattr(flips_module, "_measured")
    assert flips_module.settle_flips(begun) is begun


def test_nothing_is_measured_where_no_flip_is_to_be_chosen(opened, monkeypatch):
    begun = opened(arrows("left", "right", rows=30))
    monkeypatch.delattr(flips_module, "_measured")
    fixed = replace(begun, space=adaptation.without_flips(begun.space))
    assert flips_module.settle_flips(fixed) is fixed


def test_workers_search_the_space_that_was_decided(opened, monkeypatch):
    seen = []

    class Searcher:
        def run(self):
            return "done"

    monkeypatch.setattr(
        workers,
        "_searcher",
        lambda session, limits, interrupted: seen.append(session) or Searcher(),
    )
    workers.run(opened(arrows("left", "right")), Limits(1), 1)
    assert flips(seen[0]) == (False,)


def test_a_class_of_few_images_proves_nothing_and_many_do():
    for count, proven in ((1, False), (4, False), (40, True)):
        labels, found = np.zeros(count, int), np.ones(count, bool)
        lost = np.zeros(count, bool)
        sure = flip_test.losses(found, lost, labels, np.arange(count))
        assert (sure[0] > flips_module.SPARED) == proven
    # Forty images of one group are one case, not forty.
    assert flip_test.losses(found, lost, labels, np.zeros(40, int))[0] <= flips_module.SPARED


def test_a_sample_is_of_whole_groups():
    groups = np.random.default_rng(0).integers(0, 400, 3000)
    rows = flips_module._sample(groups, 0)
    assert flip_test.ROWS <= len(rows) < flip_test.ROWS + np.bincount(groups).max()
    left = np.setdiff1d(np.arange(3000), rows)
    assert not set(groups[rows]) & set(groups[left])
