"""How a sample says its answers: every form told from its columns and cells, or refused."""

import pandas as pd
import pytest

from automask.data.csv_file import Csv
from automask.data.forms import read_form, suit
from automask.data.names import match_names, positive_of
from automask.data.tables import Form
from automask.errors import UserError
from automask.plugins import metrics
from automask.target import SINGLE, Number


def sample(tmp_path, **columns):
    """A sample submission of three rows."""
    cells = {name: [str(cell) for cell in texts] for name, texts in columns.items()}
    return Csv(tmp_path / "sample.csv", {"id": ["x", "y", "z"], **cells}, [2, 3, 4])


def read(sample, labels, kind="single", **said):
    frame = labels if isinstance(labels, dict) else {"label": labels}
    return read_form(sample, "id", pd.DataFrame(frame, dtype=str), kind, **said)


def refused(*arguments, **said):
    with pytest.raises(UserError) as error:
        read(*arguments, **said)
    return str(error.value)


ZEROS = ["0"] * 3


class TestOneColumn:
    def test_labels_of_train(self, tmp_path):
        answers = read(sample(tmp_path, label=["cat", "dog", "cat"]), ["cat", "dog", "cow"])
        assert answers.form == Form()
        assert answers.notes == () and answers.arguments == {} and answers.metric == ""

    def test_equal_numbers_are_equal_labels(self, tmp_path):
        assert read(sample(tmp_path, label=["0.0", "1.0", "2.0"]), ["0", "1", "2"]).form == Form()

    @pytest.mark.parametrize("cells", [["0.5"] * 3, ["0.0"] * 3, ["0.1", "1", "0"]])
    def test_numbers_that_are_no_labels_are_probabilities(self, tmp_path, cells):
        answers = read(sample(tmp_path, label=cells), ["0", "1"])
        assert answers.form == Form("probabilities", {"label": "1"})
        assert answers.metric == "roc_auc"
        assert answers.arguments == {"answers": "probabilities", "positive": "1"}
        assert "'label' is for '1'" in " ".join(answers.notes)

    def test_a_class_that_nothing_tells_is_unsure(self, tmp_path):
        answers = read(sample(tmp_path, label=["0.5"] * 3), ["dog", "cat"])
        assert answers.form.columns == {"label": "dog"}
        assert any("unsure" in n and "positive = 'cat' turns it round" in n for n in answers.notes)
        other = read(sample(tmp_path, label=["0.5"] * 3), ["dog", "cat"], positive="cat")
        assert other.form.columns == {"label": "cat"}

    def test_a_positive_class_that_train_lacks(self, tmp_path):
        one = sample(tmp_path, label=["0.5"] * 3)
        assert "positive = 'cow': train has 'cat', 'dog'" in refused(
            one, ["cat", "dog"], positive="cow"
        )

    def test_zeros_are_labels_that_a_metric_makes_probabilities(self, tmp_path):
        answers = read(sample(tmp_path, label=ZEROS), ["0", "1"])
        assert answers.form.style == "labels" and answers.metric == ""
        assert any('answers = "probabilities"' in note for note in answers.notes)
        for metric, style in (
            (metrics.macro_f1, "labels"),
            (metrics.accuracy, "labels"),
            (metrics.log_loss, "probabilities"),
            (metrics.roc_auc, "probabilities"),
        ):
            form = suit(answers.form, SINGLE, metric)
            assert form == Form(style, {"label": "1"})
        assert suit(Form(), SINGLE, metrics.log_loss) == Form()
        assert suit(answers.form, Number(), metrics.accuracy) == Form("numbers")

    def test_codes_of_words_are_refused(self, tmp_path):
        sentence = refused(sample(tmp_path, label=["0", "1", "2"]), ["cat", "dog", "cow"])
        assert "holds '0', '1', '2', none of train's labels 'cat', 'cow', 'dog'" in sentence
        assert 'answers = "labels"' in sentence
        zeros = sample(tmp_path, label=ZEROS)
        sentence = refused(zeros, ["cat", "dog"])
        assert "answers = \"one_hot\" (1 for 'dog', 0 for the other)" in sentence
        assert read(zeros, ["cat", "dog"], style="labels").form == Form()
        form = read(zeros, ["cat", "dog"], style="one_hot", positive="cat").form
        assert form == Form("one_hot", {"label": "cat"})

    def test_labels_spelt_otherwise_are_refused_with_the_likeness(self, tmp_path):
        sentence = refused(sample(tmp_path, label=["Cat", "Dog", "Dog"]), ["cat", "dog", "cow"])
        assert "'Cat' is like 'cat'" in sentence

    def test_some_labels_that_train_lacks_are_told(self, tmp_path):
        answers = read(sample(tmp_path, label=["cat", "owl", "cat"]), ["cat", "dog", "cow"])
        assert any("holds 'owl', which no row of train has" in note for note in answers.notes)

    def test_an_empty_sample_says_nothing(self, tmp_path):
        answers = read(sample(tmp_path, label=[""] * 3), ["cat", "dog"])
        assert answers.form == Form() and answers.notes == ()

    def test_lists_of_the_likeliest_classes(self, tmp_path):
        whales = ["new_whale", "w_1", "w_2", "w_3", "w_4", "w_5"]
        answers = read(sample(tmp_path, Id=["new_whale w_1 w_2 w_3 w_4"] * 3), {"Id": whales})
        assert answers.form == Form("top", {"Id": "Id"}, " ", most=5)
        assert answers.metric == "map_5"
        zeros = read(sample(tmp_path, label=["0 0 0"] * 3), ["0", "1", "2", "3"])
        assert zeros.form == Form("top", {"label": "label"}, " ", most=3)
        assert zeros.metric == "map_3"

    def test_a_class_whose_name_would_break_a_list(self, tmp_path):
        names = ["a", "b", "c", "old owl"]
        assert "can't hold 'old owl'" in refused(sample(tmp_path, label=["a b c"] * 3), names)

    def test_a_class_of_two_words_is_no_list(self, tmp_path):
        names = ["black cat", "cat", "black"]
        assert read(sample(tmp_path, label=["black cat"] * 3), names).form == Form()

    def test_probabilities_of_many_classes_take_columns(self, tmp_path):
        one = sample(tmp_path, label=["cat"] * 3)
        assert "3 classes take a column each" in refused(
            one, ["cat", "dog", "cow"], style="probabilities"
        )

    def test_an_unknown_style(self, tmp_path):
        assert "did you mean 'probabilities'" in refused(None, ["a", "b"], style="probability")


class TestColumnsOfClasses:
    BREEDS = ("pug", "boxer", "collie")

    @pytest.mark.parametrize(
        "names",
        [
            ("collie", "pug", "boxer"),
            ("Pug", "BOXER", "collie"),
            ("class_pug", "class_boxer", "class_collie"),
        ],
    )
    def test_a_column_a_class(self, tmp_path, names):
        one = sample(tmp_path, **dict.fromkeys(names, ["0.33"] * 3))
        answers = read(one, {"breed": self.BREEDS})
        assert answers.form.style == "probabilities"
        assert list(answers.form.columns) == list(names)
        assert all(n.lower().removeprefix("class_") == to for n, to in answers.form.columns.items())
        assert answers.metric == "log_loss"
        assert answers.arguments == {"answers": "probabilities"}
        assert any("by likeness" in n for n in answers.notes) == (not {*names} <= {*self.BREEDS})

    def test_numbers_behind_a_prefix(self, tmp_path):
        names = [f"Class_{k}" for k in range(1, 11)]
        one = sample(tmp_path, **dict.fromkeys(names, ["0.1"] * 3))
        columns = read(one, [str(k) for k in range(1, 11)]).form.columns
        assert columns == {name: name.removeprefix("Class_") for name in names}

    def test_zeros_and_ones_are_unsure(self, tmp_path):
        one = sample(tmp_path, pug=["1", "0", "0"], boxer=["0"] * 3, collie=["0", "1", "1"])
        answers = read(one, self.BREEDS)
        assert answers.form.style == "probabilities"
        assert any('answers = "one_hot" writes these' in note for note in answers.notes)
        assert read(one, self.BREEDS, style="one_hot").form.style == "one_hot"

    def test_a_class_without_a_column(self, tmp_path):
        one = sample(tmp_path, pug=ZEROS, boxer=ZEROS)
        assert "none for 'collie'" in refused(one, self.BREEDS)

    def test_a_class_that_train_lacks(self, tmp_path):
        one = sample(tmp_path, poodle=ZEROS, **dict.fromkeys(self.BREEDS, ZEROS))
        answers = read(one, self.BREEDS)
        assert answers.form.columns["poodle"] == ""
        assert any("'poodle' of sample.csv is no class of train" in n for n in answers.notes)

    def test_words_in_them(self, tmp_path):
        one = sample(tmp_path, **dict.fromkeys(self.BREEDS, ["yes"] * 3))
        assert "holds 'yes', where a number is to stand" in refused(one, self.BREEDS)

    def test_without_a_sample_as_the_user_says(self):
        assert read(None, self.BREEDS).form == Form()
        form = read(None, self.BREEDS, style="probabilities").form
        assert form == Form("probabilities", {name: name for name in self.BREEDS})


LEAVES = {"rust": ["0", "1", "1"], "scab": ["1", "1", "0"], "healthy": ["0", "0", "0"]}
PEOPLE = {"mask": ["on", "off"], "age": ["old", "young"]}


class TestManyLabels:
    def test_a_column_a_label(self, tmp_path):
        one = sample(tmp_path, scab=ZEROS, rust=ZEROS, healthy=ZEROS)
        answers = read(one, LEAVES, "multi")
        assert answers.form == Form("probabilities", {n: n for n in ("scab", "rust", "healthy")})
        assert answers.metric == "roc_auc"
        assert any('answers = "one_hot" writes these' in note for note in answers.notes)

    def test_labels_in_one_cell(self, tmp_path):
        answers = read(sample(tmp_path, labels=["healthy"] * 3), LEAVES, "multi")
        assert answers.form == Form("sets", {"labels": "labels"}, " ")
        comma = sample(tmp_path, labels=["rust, scab", "", "rust"])
        assert read(comma, LEAVES, "multi").form.separator == ", "

    def test_other_labels_are_refused(self, tmp_path):
        one = sample(tmp_path, labels=["4 7", "9", "4"])
        sentence = refused(one, LEAVES, "multi")
        assert "none of train's labels 'healthy', 'rust', 'scab'" in sentence
        assert 'answers = "sets"' in sentence

    def test_without_a_sample_a_column_a_label(self):
        assert read(None, LEAVES, "multi").form == Form("one_hot", {n: n for n in LEAVES})
        assert read(None, LEAVES, "multi", style="sets").form.style == "sets"

    def test_what_does_not_fit(self, tmp_path):
        one = sample(tmp_path, labels=["rust"] * 3)
        assert "doesn't fit any number of labels a row" in refused(
            one, LEAVES, "multi", style="labels"
        )


class TestNumbers:
    def test_a_column_of_numbers(self, tmp_path):
        one = sample(tmp_path, prediction=ZEROS)
        answers = read(one, {"weight": ["1.5", "2"]}, "number")
        assert answers.form == Form("numbers", {"prediction": "prediction"})
        assert "takes the answers of 'weight'" in answers.notes[0]

    def test_words_are_refused(self, tmp_path):
        one = sample(tmp_path, weight=["heavy"] * 3)
        assert "holds 'heavy', where a number" in refused(one, {"weight": ["1"]}, "number")


class TestSeveralTargets:
    def test_each_is_compared(self, tmp_path):
        one = sample(tmp_path, mask=["on"] * 3, age=["old", "new", "old"])
        answers = read(one, PEOPLE)
        assert answers.form == Form()
        assert answers.notes[0].startswith("'age' of sample.csv holds 'new'")

    def test_probabilities_do_not_fit(self, tmp_path):
        one = sample(tmp_path, mask=["0.5"] * 3, age=["0.5"] * 3)
        assert "holds '0.5', none of train's labels 'off', 'on'" in refused(one, PEOPLE)


@pytest.mark.parametrize(
    ("classes", "column", "positive"),
    [
        (["0", "1"], "label", "1"),
        (["1.0", "0.0"], "label", "1.0"),
        (["yes", "no"], "label", "yes"),
        (["malignant", "benign"], "target", "malignant"),
        (["normal", "unheard-of"], "target", "unheard-of"),
        (["mask", "no_mask"], "label", "mask"),
        (["7", "3"], "label", "7"),
        (["cat", "dog"], "is_cat", "cat"),
    ],
)
def test_the_positive_class(classes, column, positive):
    assert positive_of(classes, column)[0] == positive
    assert positive_of(classes, column)[1]


def test_names_that_are_alike_to_several_stand_for_none():
    assert match_names(["A", "a "], ["a"]) == {}
    assert match_names(["a", "A"], ["a", "A"]) == {"a": "a", "A": "A"}
