"""Class limits that move in training alone: what is trained on, and that scores don't know of it."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from automask.data import config, dataset
from automask.data.bins import band_names
from automask.data.synthetic.competition import draw_competition, draw_table
from automask.data.tables import Numeric
from automask.errors import PluginError, TrialError, UserError
from automask.plugins.person_readers import person_folders
from automask.plugins.table_reader import table
from automask.report import submission
from automask.space import registry, space_file
from automask.storage.trial_store import TrialStore
from automask.study import adaptation
from automask.study.opening import begin
from automask.study.session import Options
from automask.training import fold_data, heads, trial
from automask.training.fold import FoldTrainer
from helpers.commands import automask, refused
from helpers.competition import tables
from helpers.recipes import recipe
from helpers.training import quiet

LIMITS = np.array([30.0, 60.0])

SPACE = """
[training]
pretrained = false
image_size = 32
epochs = 1
warmup_epochs = 0
batch_size = 16

[backbone.timm]
model = "test_resnet"
drop_rate = 0.0
drop_path_rate = 0.0

[freeze.full]

[freeze.norm_and_head]

[labelling.as_scored]

[labelling.shifted]

[augmentation.none]
"""

values = arrays(float, st.integers(2, 60), elements=st.floats(0, 100, allow_subnormal=False))


def label(name, numbers, limits=LIMITS, **params):
    return registry.get("labelling", name).function(np.asarray(numbers), limits, **params)


@given(values)
def test_as_scored_gives_the_band_that_a_limit_opens(numbers):
    wanted = [sum(value >= limit for limit in LIMITS) for value in numbers]
    assert label("as_scored", numbers).tolist() == wanted


@given(values)
def test_no_shift_and_no_width_change_nothing(numbers):
    plain = label("as_scored", numbers)
    assert (label("shifted", numbers, shift=0.0) == plain).all()
    assert (label("banded", numbers, width=0.0) == plain).all()


@given(values, st.floats(-0.3, 0.3, allow_subnormal=False))
def test_a_shift_moves_the_last_limit_alone(numbers, shift):
    moved = 60 + shift * numbers.std()
    assume(moved > 30)
    wanted = [sum([value >= 30, value >= moved]) for value in numbers]
    assert label("shifted", numbers, shift=shift).tolist() == wanted


def test_a_limit_does_not_pass_the_one_before_it():
    numbers = np.array([0.0, 31, 59, 100])
    near = np.array([30.0, 31.0])
    assert label("shifted", numbers, near, shift=-0.3).tolist() == [0, 2, 2, 2]


@given(values, st.floats(0, 0.3, allow_subnormal=False))
def test_a_band_leaves_out_what_is_near_a_limit_and_relabels_nothing(numbers, width):
    plain, drawn = label("as_scored", numbers), label("banded", numbers, width=width)
    kept = drawn >= 0
    assert (drawn[kept] == plain[kept]).all()
    distance = np.abs(numbers[:, None] - LIMITS).min(1)
    assert (distance[~kept] < width * numbers.std()).all()
    assert set(drawn[kept]) == set(plain), "a class lost all of its rows"
    for band in set(plain):
        near = distance[plain == band] < width * numbers.std()
        assert near.all() or not kept[plain == band][near].any()


def people(ages, other=None):
    """Data of ages in three bands, and another attribute."""
    age = Numeric(np.array(ages, float), (30, 60), ("<30", "30-59", ">=60"))
    columns = {"age": age.texts, "other": other or ["x"] * len(ages)}
    return dataset.prepare(tables(columns, numbers={"age": age}))


def test_classes_of_a_number_are_in_its_order():
    assert people([70, 20, 40]).attributes.values[0] == ("<30", "30-59", ">=60")
    assert people([70, 20]).attributes.values[0] == ("<30", ">=60")


def test_numbers_that_are_not_those_of_the_classes_are_refused():
    age = Numeric(np.array([20.0, 70.0]), (30,), ("young", "old"))
    with pytest.raises(PluginError, match="numbers of 'age' don't make"):
        dataset.prepare(tables({"age": ["old", "young"]}, numbers={"age": age}))


def test_other_attributes_stay_and_a_combination_without_a_class_keeps_its_own():
    ages, other = [58, 59, 70, 20], ["x", "y", "x", "y"]
    made = people(ages, other)
    labels = fold_data.training_labels(made, np.arange(4), lambda years, _: 1 * (years >= 57))
    said = [made.attributes.combination(label) for label in labels]
    assert said == [("30-59", "x"), ("30-59", "y"), ("30-59", "x"), ("<30", "y")]
    up = fold_data.training_labels(made, np.arange(4), lambda values, limits: np.full(4, 2))
    said = [made.attributes.combination(label) for label in up]
    assert said == [(">=60", "x"), ("30-59", "y"), (">=60", "x"), ("<30", "y")]


def test_a_row_left_out_by_one_attribute_is_left_out():
    made = people([20, 40, 70])
    labels = fold_data.training_labels(made, np.array([2, 0]), lambda v, limits: np.array([-1, 0]))
    assert labels[0] == -1 and made.attributes.combination(labels[1])[0] == "<30"


@pytest.fixture(scope="module")
def competition(tmp_path_factory):
    """Drawn people, their `automask.toml`, and a space that searches labellings."""
    folder = tmp_path_factory.mktemp("labellings")
    draw_competition(folder / "data", train_people=18, test_people=6, size=32, seed=1)
    people = folder / "data/train/train.csv"
    # Enough of them just below the last limit.
    people.write_text(re.sub(r",5\d,", ",58,", people.read_text()))
    (folder / "space.toml").write_text(SPACE)
    assert automask(folder, "init", "data").returncode == 0
    return folder


@pytest.fixture
def task(competition, monkeypatch):
    monkeypatch.chdir(competition)
    return begin(Options(space="space.toml", folds=2, threads=1)).task()


SHIFT = ("shifted", {"shift": -0.3})
BAND = ("banded", {"width": 0.3})


def training_part(task, **choices):
    fold = fold_data.fold_data(task, recipe(**choices), 0)
    return fold.rows, fold.labels


def test_the_training_part_alone_has_other_labels(task):
    before = task.data.labels.copy()
    plain, moved, banded = (
        training_part(task, labelling=choice) for choice in (("as_scored", {}), SHIFT, BAND)
    )
    rows, _ = task.fold_rows(0)
    assert (plain[0] == rows).all() and (plain[1] == before[rows]).all()
    years = task.data.numbers["age"].values[rows]
    changed = moved[1] != before[rows]
    limit = 60 - 0.3 * years.std()
    assert changed.any() and (years[changed] < 60).all() and (years[changed] >= limit).all()
    combination = task.data.attributes.combination
    assert {combination(label)[2] for label in moved[1][changed]} == {">=60"}
    assert 0 < len(banded[0]) < len(rows) and set(banded[0]) < set(rows)
    assert (banded[1] == before[banded[0]]).all()
    assert (task.data.labels == before).all()


@pytest.mark.parametrize("freeze", ["full", "head_only"])
@pytest.mark.parametrize("labelling", [SHIFT, BAND], ids=["shifted", "banded"])
def test_training_sees_its_own_labels_and_scoring_the_true_ones(
    task, tmp_path, monkeypatch, freeze, labelling
):
    made = recipe(epochs=1, freeze=(freeze, {}), labelling=labelling)
    seen, scored, counted = [set(), set()], [], []
    whole = [fold_data.fold_data(task, made, fold) for fold in (0, 1)]
    parts = [dict(zip(f.rows.tolist(), f.labels.tolist(), strict=True)) for f in whole]

    if freeze == "full":
        trainer = FoldTrainer
        backward = trainer._backward

        def spy(self, batch, table):
            fold = self.data.fold
            targets = self.data.target(batch.rows).argmax(1).tolist()
            seen[fold] |= set(zip(batch.rows.tolist(), targets, strict=True))
            counted.append((fold, self.data.class_counts.tolist()))
            return backward(self, batch, table)

        monkeypatch.setattr(trainer, "_backward", spy)
    else:
        stacked = heads.Stacked
        losses = stacked._losses
        call = stacked.__call__

        def spy(self, parameters, table, rows, lengths):
            self.rows_now = rows.rows
            return call(self, parameters, table, rows, lengths)

        def spy_losses(self, logits, target, lengths):
            for fold, length in enumerate(lengths.tolist()):
                targets = target[fold, :length].argmax(1).tolist()
                rows = self.rows_now[fold, :length].tolist()
                seen[fold] |= set(zip(rows, targets, strict=True))
                counted.append((fold, self.counts[fold].tolist()))
            return losses(self, logits, target, lengths)

        monkeypatch.setattr(stacked, "__call__", spy)
        monkeypatch.setattr(stacked, "_losses", spy_losses)

    def score(rows, prediction):
        scored.append(task.data.scored(rows, prediction)[0].copy())
        return 0.5

    told = replace(task)
    told.__dict__["score"] = score
    trial.fit(told, made, TrialStore(tmp_path), quiet)
    classes = len(task.data.attributes.classes)
    for fold in (0, 1):
        assert dict(seen[fold]) == parts[fold] and len(seen[fold]) == len(parts[fold])
    for fold, counts in counted:
        assert counts == np.bincount(list(parts[fold].values()), minlength=classes).tolist()
    assert (scored[-1] == task.data.labels).all(), "every row is scored by its true class"
    store = TrialStore(tmp_path).out_of_fold(task.folds)
    assert store.shape == (len(task.data.labels), classes) and (store.sum(1) > 0.99).all()


def test_a_labelling_that_leaves_one_class_is_told_apart(task, monkeypatch):
    monkeypatch.setattr(fold_data, "training_labels", lambda data, rows, labelling: 0 * rows)
    with pytest.raises(TrialError, match="shifted leaves fold 1 less than two classes"):
        training_part(task, labelling=SHIFT)


def test_person_folders_know_the_years(competition):
    numeric = person_folders(competition / "data").numbers["age"]
    assert numeric.limits == (30, 60) and len(numeric.values) == 18 * 7


def test_the_fingerprint_knows_the_numbers(competition):
    made = dataset.prepare(person_folders(competition / "data"))
    age = made.numbers["age"]
    older = replace(made, numbers={"age": replace(age, values=age.values + 0.5)})
    folds = np.arange(len(made.labels)) % 2
    labels = [dataset.fingerprint(each, folds)["labels"] for each in (made, made, older)]
    assert labels[0] == labels[1] != labels[2]


def test_only_data_with_a_number_search_labellings(tmp_path, inside):
    without = begin(Options(space="space.toml", folds=3)).data
    for name, numbers in (("full", {}), ("full", people([20, 40, 70]).numbers)):
        with_numbers = replace(without, numbers=numbers)
        chosen, _ = adaptation.adapt(space_file.load(name), with_numbers, {}, "cpu")
        wanted = {"as_scored", "shifted", "banded"} if numbers else {"as_scored"}
        assert set(chosen.competitors["labelling"]) == wanted
    (inside / "moved.toml").write_text(SPACE)
    out = automask(inside, "search", "--space", "moved.toml", "--study", "other", "--trials", "1")
    refused(out, "moved.toml", "[labelling.shifted]", "take it out")


class TestLimitsOfATable:
    @pytest.fixture
    def folder(self, tmp_path):
        draw_table(tmp_path, people=8, test_people=3, size=16)
        return tmp_path

    def test_make_classes_of_a_column_of_numbers(self, folder):
        read = table(folder, limits=["age: 30, 60"])
        years, texts = read.numbers["age"].values, read.train.attributes["age"]
        assert read.numbers["age"].bands == ("<30", "30-59", ">=60")
        for value, text in zip(years, texts, strict=True):
            assert text == ("<30" if value < 30 else "30-59" if value < 60 else ">=60")
        assert list(read.train.attributes) == ["mask", "gender", "age"]
        assert read.arguments["limits"] == ["age: 30, 60"]
        # The sample's bands are none of its numbers.
        with pytest.raises(UserError, match="column 'age' holds '<30', none of train's labels"):
            table(folder)
        dataset.prepare(read)

    def test_are_read_from_automask_toml_trained_by_and_answered(
        self, folder, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(folder)
        text = config.render(".", "table", table(folder, limits=["age: 30, 60"]))
        assert '"age: 30, 60"' in text
        (folder / "automask.toml").write_text(text)
        (folder / "space.toml").write_text(SPACE)
        task = begin(Options(space="space.toml", folds=2, threads=1)).task()
        made, store = (
            recipe(epochs=1, freeze=("head_only", {}), labelling=BAND),
            TrialStore(tmp_path),
        )
        trial.fit(task, made, store, quiet)
        frame = submission.table(task.data, task.data.test.ids, store.test(2).mean(0))
        submission.check(frame, task.data)
        assert list(frame.columns) == ["id", "mask", "gender", "age"] and len(frame) == 3 * 7
        assert set(frame["age"]) <= {"<30", "30-59", ">=60"}

    def test_refuses_a_cell_that_is_no_number(self, folder):
        file = folder / "train.csv"
        lines = file.read_text().splitlines()
        cells = lines[4].split(",")
        lines[4] = ",".join([*cells[:4], "old", *cells[5:]])
        file.write_text("\n".join(lines) + "\n")
        with pytest.raises(UserError, match=r"line 5: 'old' in column 'age' isn't a number"):
            table(folder, limits="age: 30")

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("age 30", "isn't a column and its ascending limits"),
            ("age: 60, 30", "isn't a column and its ascending limits"),
            ("age: x", "isn't a column and its ascending limits"),
            ("ages: 30", "'ages' is no target: did you mean 'age'"),
        ],
    )
    def test_refuses_what_it_cannot_read(self, folder, line, words):
        with pytest.raises(UserError, match=words):
            table(folder, limits=[line])

    def test_refuses_a_column_twice(self, folder):
        with pytest.raises(UserError, match="more than once"):
            table(folder, limits=["age: 30", "age: 60"])


def test_bands_are_named_by_their_numbers():
    assert band_names((30.0, 60.0), whole=True) == ("<30", "30-59", ">=60")
    assert band_names((0.5, 1.0, 2.5), whole=False) == ("<0.5", "0.5 to 1", "1 to 2.5", ">=2.5")
    assert band_names((18.0,), whole=True) == ("<18", ">=18")
