"""Labels that may be wrong: found, corrected without touching the data, and scored both ways."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from automask.cli.submission_tables import show_expected_gain
from automask.data import corrections, dataset
from automask.data.csv_file import read_csv
from automask.data.tables import Numeric, Rows
from automask.diagnostics import label_errors
from automask.diagnostics.suspects import find_suspects
from automask.ensembles import corrected_scores
from automask.errors import UserError
from automask.report import comparison, expected_gain
from automask.storage.study_store import StudyStore
from helpers.commands import automask, refused
from helpers.competition import tables
from helpers.csv_files import write


def sure(target, classes, strength=4.0, seed=0):
    """Probabilities `[N, C]` of a good network."""
    logits = np.random.default_rng(seed).normal(size=(len(target), classes))
    logits[np.arange(len(target)), target] += strength
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


@pytest.fixture
def planted():
    """True labels, labels of which 12 are flipped, which those are, probabilities and folds."""
    rng = np.random.default_rng(1)
    true = rng.integers(0, 4, 400)
    rows = rng.choice(400, 12, replace=False)
    given = true.copy()
    given[rows] = (true[rows] + 1) % 4
    return true, given, given != true, sure(true, 4), np.arange(400) % 5


def test_flipped_labels_are_ranked_on_top(planted):
    true, given, flipped, probability, folds = planted
    audit = label_errors.find_label_errors(given, probability, folds)
    assert flipped[audit.order[:12]].mean() >= 0.9
    assert audit.flagged[flipped].mean() >= 0.6
    assert flipped[audit.flagged].mean() >= 0.7
    assert (audit.likely[flipped] == true[flipped]).mean() >= 0.9
    assert audit.wrong.sum() == pytest.approx(12, abs=5)
    assert audit.joint.sum() == pytest.approx(400)


def test_a_clean_table_flags_almost_none(planted):
    true, *_, probability, folds = planted
    audit = label_errors.find_label_errors(true, probability, folds)
    assert audit.flagged.sum() <= 4 and audit.wrong.sum() <= 6
    perfect = label_errors.find_label_errors(true, sure(true, 4, 20), folds)
    assert not perfect.flagged.any() and perfect.wrong.sum() == pytest.approx(0)


def test_a_class_that_only_one_fold_has_is_not_judged(planted):
    true, *_, folds = planted
    given = true.copy()
    given[7] = 4
    probability = np.pad(sure(true, 4), ((0, 0), (0, 1)))
    audit = label_errors.find_label_errors(given, probability, folds)
    assert not audit.judged[7] and not audit.flagged[7]
    assert 7 not in audit.order and len(audit.order) == 399


def test_nothing_is_flagged_where_one_class_is_left_to_judge():
    given = np.array([0, 0, 0, 0, 1])
    audit = label_errors.find_label_errors(given, sure(given, 2), np.array([0, 1, 0, 1, 0]))
    assert not audit.flagged.any() and audit.judged.tolist() == [True] * 4 + [False]


def made(labels, **more):
    return dataset.prepare(tables(labels, **more))


def test_suspects_tell_given_and_likely_and_take_edits_of_each_target():
    kinds, who = ["a", "b"] * 40, ["x", "x", "y", "y"] * 20
    prepared = made({"kind": kinds, "who": who})
    true = prepared.labels.copy()
    wrong = made({"kind": ["b", *kinds[1:]], "who": who})
    frame = find_suspects(wrong, sure(true, 4, 8), np.arange(80) // 4 % 4).table
    first = frame.iloc[0]
    assert list(frame.columns[:3]) == ["id", "kind", "who"] and len(frame) == 80
    assert (first["id"], first["kind"], first["given_kind"], first["likely_kind"]) == (
        *("r0", "b"),
        *("b", "a"),
    )
    assert first["flagged"] == "yes" and first["likely_who"] == "x"
    by_attribute = label_errors.by_attribute(wrong, sure(true, 4, 8), np.arange(80) // 4 % 4)
    assert by_attribute["kind"].flagged.sum() == 1 and not by_attribute["who"].flagged.any()


KINDS = {"kind": ["a", "b", "a", "b", "a"], "who": ["x", "x", "y", "x", "y"]}


def taken(tmp_path, header, rows, known=(), labels=KINDS, **more):
    file = write(tmp_path / "new.csv", header, rows)
    return corrections.relabel(file, tables(labels, **more), list(known))


def test_only_cells_that_differ_are_corrected_and_told_where_from(tmp_path):
    header = ["id", "kind", "source"]
    outcome = taken(tmp_path, header, [["r0", "b", "Ada"], ["r1", "b", ""]])
    (found,) = outcome.corrections
    assert (found.id, found.target, found.old, found.new) == ("r0", "kind", "a", "b")
    assert (found.file, found.source, len(found.sha256)) == ("new.csv", "Ada", 64)
    assert (outcome.corrected, outcome.same, outcome.left_alone) == (1, 1, ["who"])


def test_corrections_are_written_read_and_applied_and_the_first_label_takes_one_back(tmp_path):
    outcome = taken(tmp_path, ["id", "kind"], [["r0", "b"], ["r1", "a"]])
    file = tmp_path / "corrections.csv"
    corrections.save(outcome.corrections, file)
    known = corrections.load(file)
    assert [replace(c, where="") for c in known] == [
        replace(c, where="") for c in outcome.corrections
    ]
    plain = tables(KINDS)
    corrected = corrections.apply(plain, known)
    assert corrected.train.attributes["kind"].tolist() == ["b", "a", "a", "b", "a"]
    assert plain.train.attributes["kind"].tolist() == KINDS["kind"]
    back = taken(tmp_path, ["id", "kind"], [["r0", "a"], ["r1", "a"]], known)
    assert [c.id for c in back.corrections] == ["r1"]
    assert (back.corrected, back.undone, back.same) == (0, 1, 1)
    corrections.save([], file)
    assert not file.exists() and corrections.load(file) == []


def test_unedited_cells_of_an_older_file_of_suspects_take_nothing_back(tmp_path):
    header = ["id", "kind", "given_kind"]
    known = taken(tmp_path, header, [["r0", "b", "a"]]).corrections
    outcome = taken(tmp_path, header, [["r0", "a", "a"], ["r1", "a", "b"]], known)
    assert [(c.id, c.new) for c in outcome.corrections] == [("r0", "b"), ("r1", "a")]


@pytest.mark.parametrize(
    ("header", "rows", "words"),
    [
        (["id", "kind"], [["r0", "b"], ["r9", "a"]], "line 3: 'r9' is no id of train"),
        (["id", "kind"], [["r0", "c"]], "line 2: 'c' is no label of 'kind' in the data"),
        (["id", "kind"], [["r0", "b"], ["r0", "a"]], "lines 2, 3: 'r0' of column 'id'"),
        (["id", "kind"], [["r0", ""]], "line 2: column 'kind' is empty"),
        (["name", "kind"], [["r0", "b"]], "no column of ids: it needs one named 'id'"),
        (["id", "knd"], [["r0", "b"]], "it needs one named 'kind' or 'who'"),
        (["id", "kind", "who"], [["r1", "b", "y"]], "no row of the data is b × y"),
        (["id", "kind"], [], "no rows below its header"),
    ],
)
def test_a_file_that_does_not_fit_is_told_by_line(tmp_path, header, rows, words):
    with pytest.raises(UserError) as told:
        taken(tmp_path, header, rows)
    assert words in str(told.value)
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(UserError, match="nothing in it"):
        corrections.relabel(tmp_path / "empty.csv", tables(KINDS), [])


def test_corrections_that_no_longer_fit_the_data_are_told_by_line(tmp_path):
    file = tmp_path / "corrections.csv"
    corrections.save(taken(tmp_path, ["id", "kind"], [["r0", "b"]]).corrections, file)
    text = file.read_text()
    for old, new, words in [
        ("r0,kind,a,b", "r7,kind,a,b", "line 2: 'r7' is no id of train"),
        ("r0,kind,a,b", "r0,knd,a,b", "line 2: 'knd' is no target: did you mean 'kind'"),
        ("r0,kind,a,b", "r4,kind,b,b", "line 2: 'r4' was 'b' when it was corrected"),
        ("sha256", "hash", "no column 'sha256'"),
    ]:
        file.write_text(text.replace(old, new))
        with pytest.raises(UserError, match=words):
            corrections.apply(tables(KINDS), corrections.load(file))
    file.write_text(text + text.splitlines()[1] + "\n")
    with pytest.raises(UserError, match="line 3: 'r0' is there more than once for 'kind'"):
        corrections.load(file)


def test_the_number_behind_a_label_moves_with_it(tmp_path):
    age = Numeric(np.array([20.0, 25, 40, 50, 45]), (30,), ("<30", ">=30"))
    more = {"labels": {"age": age.texts}, "numbers": {"age": age}}
    outcome = taken(tmp_path, ["id", "age"], [["r0", ">=30"], ["r1", "33"], ["r2", "40"]], **more)
    corrected = corrections.apply(
        tables({"age": age.texts}, numbers={"age": age}), outcome.corrections
    )
    assert corrected.numbers["age"].values.tolist() == [45, 33, 40, 50, 45]
    assert corrected.train.attributes["age"].tolist() == corrected.numbers["age"].texts
    back = taken(
        tmp_path, ["id", "age"], [["r0", "20"], ["r1", "<30"]], outcome.corrections, **more
    )
    assert back.corrections == [] and back.undone == 2


def test_labels_of_other_data_are_classes_of_the_study_or_come_after_them():
    before, after = made(["a", "b", "c", "b"]), made(["a", "b", "b", "b"])
    assert corrected_scores.labels_of(after, before)[0].tolist() == [0, 1, 1, 1]
    found, classes = corrected_scores.labels_of(before, after)
    assert found.tolist() == [0, 1, 2, 1] and classes == 3


def test_chances_of_true_classes_are_those_that_noise_made_into_the_given():
    true = np.array([[0.9, 0.1, 0.0], [0.2, 0.3, 0.5]])
    noise = [[0, 1, 0.1], [1, 0, 0.2], [2, 1, 0.3]]
    given = true @ np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0, 0.3, 0.7]])
    np.testing.assert_allclose(expected_gain.denoise(given, noise), true, atol=1e-9)


def test_the_expected_gain_is_that_of_the_chances():
    rng = np.random.default_rng(0)
    probability = rng.dirichlet([0.3] * 4, 2000)
    a, b = rng.integers(0, 4, (2, 2000))
    accuracy, macro_f1 = expected_gain.effects(a, b, probability)
    rows = np.arange(2000)
    chance = probability[rows, b] - probability[rows, a]
    assert accuracy.value == pytest.approx(chance.mean(), abs=0.002)
    spread = np.sqrt((probability[rows, b] + probability[rows, a] - chance**2)[a != b].sum()) / 2000
    assert accuracy.high - accuracy.low == pytest.approx(2 * 1.96 * spread, rel=0.15)
    best = expected_gain.effects(a, probability.argmax(1), probability)
    assert all(effect.low > 0 for effect in best) and macro_f1.metric == "macro_f1"
    assert all(effect.value == 0 for effect in expected_gain.effects(a, a, probability))


def test_the_story_of_a_wrong_label(project):
    train = project / "data/train.csv"
    given = train.read_text().replace("a4,images/a4.png,NA", "a4,images/a4.png,01")
    train.write_text(given)
    search = ["search", "--space", "space.toml", "--folds", "3", "--workers", "1"]
    assert automask(project, *search, "--trials", "2").returncode == 0
    refused(automask(project, "suspects", "--study", "mian"), "did you mean 'main'")
    found = automask(project, "suspects", "--csv", "suspects.csv")
    assert found.returncode == 0, found.stderr
    assert "most suspect" in found.stdout and "automask relabel suspects.csv" in found.stdout
    frame = pd.read_csv(project / "suspects.csv", dtype=str, keep_default_na=False)
    assert sorted(frame["id"]) == sorted(read_csv(train)["id"])
    frame.loc[frame["id"] == "a4", "label"] = "NA"
    frame.to_csv(project / "suspects.csv", index=False)

    done = automask(project, "relabel", "suspects.csv")
    assert "label: 01 → NA (1)" in done.stdout and "labels: 1 corrected" in done.stdout
    assert train.read_text() == given, "the data were touched"
    refused(automask(project, *search, "--trials", "3"), "begun with other labels", "--study NAME")
    old = automask(project, "ensemble", "--method", "mean")
    assert "on the labels that corrections.csv gives now (1 rows differ)" in old.stdout, old.stderr
    again = automask(project, *search, "--trials", "1", "--study", "corrected")
    assert "note: 1 label corrected by corrections.csv" in again.stdout
    new = automask(project, "ensemble", "--study", "corrected", "--output", "b.csv")
    assert "on the uncorrected labels (1 rows differ)" in new.stdout, new.stderr

    write(project / "back.csv", ["id", "label"], [["a4", "01"]])
    assert "1 put back" in automask(project, "relabel", "back.csv").stdout
    assert not (project / "corrections.csv").exists()
    assert automask(project, *search, "--trials", "2").returncode == 0

    rows = [[f"t{i}", "2" if i else "01"] for i in range(9)]
    write(project / "a.csv", ["id", "label"], rows)
    compared = automask(
        project, "compare", "a.csv", "submission.csv", "--study", "main", "--html", "c.html"
    )
    assert "expected gain from A to B, an estimate by study 'main'" in compared.stdout, (
        compared.stdout + compared.stderr
    )
    assert "Expected gain of B in accuracy, labels as in train" in (project / "c.html").read_text()
    (project / "automask.toml").unlink()
    refused(automask(project, "relabel", "back.csv"), "run 'automask init DATA' first")


def compared_by(tmp_path, facts):
    """What is told of b.csv, which differs from a.csv in the rows that the ensemble is sure of."""
    ids, names = [f"t{i}" for i in range(40)], np.array(["a", "b"])
    prepared = made(["a", "b", "b"], test=Rows(ids, []), id_column="id")
    truth = np.arange(40) % 2
    probability = np.where(np.eye(2)[truth] > 0, 0.9, 0.1)
    wrong = np.where(np.arange(40) < 10, 1 - truth, truth)
    a, b = (
        write(tmp_path / f"{name}.csv", ["id", "label"], zip(ids, names[said], strict=True))
        for name, said in (("a", wrong), ("b", truth))
    )
    store = StudyStore(tmp_path / "main")
    store.save_ensemble(b, {"study": "main", **facts}, ids, probability, probability[:3])
    console = Console(width=100, record=True, file=io.StringIO())
    compared = comparison.compare(a, b, prepared)
    gain = expected_gain.estimate(compared, store.ensembles()[0], "study 'main'")
    show_expected_gain(gain, console)
    return console.export_text(), gain.sentences


def test_the_expected_gain_is_told_with_whom_it_favours(tmp_path):
    noise = {"wrong": 0.05, "pairs": [[0, 1, 0.05], [1, 0, 0.05]]}
    text, sentences = compared_by(tmp_path, {"noise": noise})
    assert "what A says in 0% and what B says in 100%" in text
    gains = [float(line.split()[-4]) for line in text.splitlines() if "accuracy" in line]
    # A quarter of the rows, each 0.9 against 0.1; without the noise (0.85 / 0.9) surer.
    assert gains == pytest.approx([0.25 * 0.8, 0.25 * (2 * 0.85 / 0.9 - 1)], abs=0.01)
    assert len(sentences) == 5 and "5.0% wrong labels put right: +0." in sentences[2]


def test_an_older_ensemble_says_so(tmp_path):
    text, sentences = compared_by(tmp_path, {})
    assert "run automask ensemble again" in text and sentences == []


def labelled(sets):
    names = ["rust", "scab", "rot"]
    return tables({name: sets[:, k].astype(str) for k, name in enumerate(names)}, kind="multi")


def test_labels_are_judged_each_by_itself_and_their_edits_taken(tmp_path):
    rng = np.random.default_rng(0)
    true = (rng.random((200, 3)) < (0.5, 0.4, 0.3)).astype(int)
    given = true.copy()
    given[7, 1], given[9, 0] = 1 - true[7, 1], 1 - true[9, 0]
    prepared = dataset.prepare(labelled(given))
    sure_of = np.where(true > 0, 0.9, 0.1) + rng.uniform(-0.09, 0.09, true.shape)
    found = find_suspects(prepared, sure_of, np.arange(200) % 4)
    assert {row.id for row in found.rows if row.flagged} == {"r7", "r9"} and found.flagged == 2
    seven = next(row for row in found.rows if row.id == "r7")
    assert seven.given == prepared.describe_answer(given[7])
    assert seven.likely == prepared.describe_answer(true[7]) and seven.likely_probability > 0.8
    (noise,) = found.noise
    assert 1 <= noise.wrong <= 6
    kinds = {row.name: (row.rows, row.flagged) for row in noise.classes}
    assert kinds["scab"][0] + kinds["without scab"][0] == 200
    assert kinds["scab" if given[7, 1] else "without scab"][1] == 1
    table = found.table
    assert list(table.columns[:4]) == ["id", "rust", "scab", "rot"]
    table.loc[table["id"] == "r7", "scab"] = str(true[7, 1])
    table.to_csv(tmp_path / "suspects.csv", index=False)
    outcome = corrections.relabel(tmp_path / "suspects.csv", labelled(given), [])
    assert [(c.id, c.target, c.new) for c in outcome.corrections] == [
        ("r7", "scab", str(true[7, 1]))
    ]
    mended = dataset.prepare(corrections.apply(labelled(given), outcome.corrections))
    assert mended.labels[7].tolist() == true[7].tolist()
    other, classes = corrected_scores.labels_of(mended, prepared)
    assert classes == 3 and (other != given).sum() == 1


def test_a_label_set_that_train_has_nowhere_can_be_a_correction():
    given = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]])
    change = corrections.Correction("r3", "rot", "0", "1", "", "", "")
    corrected = corrections.apply(labelled(given), [change])
    assert corrected.train.attributes.iloc[3].tolist() == ["1", "0", "1"]
    with pytest.raises(UserError, match="'yes' is no label of 'rot'"):
        corrections.apply(labelled(given), [replace(change, new="yes")])


def test_numbers_have_no_suspects_and_are_corrected_by_any_number():
    years = tables({"year": ["1950.5", "1960", "1970"]}, kind="number")
    prepared = dataset.prepare(years, "rmse")
    with pytest.raises(UserError, match="classes and labels.*a number a row"):
        find_suspects(prepared, prepared.labels[:, None], np.arange(3))
    change = corrections.Correction("r0", "year", "1950.5", "1955", "", "", "")
    assert corrections.apply(years, [change]).train.attributes["year"][0] == "1955"
    with pytest.raises(UserError, match="'soon' is no number"):
        corrections.apply(years, [replace(change, new="soon")])
