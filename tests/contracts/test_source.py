"""A plugin file's mistakes are told from its text, and nothing of it runs."""

from pathlib import Path

import pytest

from automask import testing
from automask.contracts.source import check_source, read_source
from automask.errors import PluginError, UserError
from automask.space.plugin_api import PLUGIN_API, STABLE
from helpers.plugins import FOCAL

ROOT = Path(__file__).parents[2]
LOSS = "@loss()\ndef mine(logits, target, class_counts):\n    '''Mine.'''\n"


def loss(declared="", parameters="logits, target, class_counts, *, gamma=2.0", doc="Mine."):
    return (
        "from automask import Categorical, Float, Int, Text, loss\n\n\n"
        f"@loss({declared})\ndef mine({parameters}):\n    '''{doc}'''\n"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("def mine(:\n", "line 1: invalid syntax: def mine(:"),
        ("x = 'a\0b'", "null bytes"),
        (LOSS, "line 1: @loss comes from automask: write `from automask import loss`"),
        (
            f"import automask\n{LOSS.replace('@loss', '@automask.los')}",
            "no kind 'los': did you mean",
        ),
        (f"from automask import Float\n{LOSS.replace('@loss', '@los')}", "@los: there is no kind"),
        (
            f"from automask import los\n{LOSS.replace('@loss', '@los')}",
            "no 'los' to import: did you",
        ),
        (loss().replace("@loss()", "@loss"), "line 4: write @loss(), with brackets"),
        (loss().replace("def mine", "async def mine"), "is an 'async def'"),
        (loss("gamma=Float(0, 5)", doc=""), "loss 'mine' has no docstring"),
        (loss(), "declares no range for 'gamma': write @loss(gamma=Float(1, 4))"),
        (
            loss("alpha=Float(0, 1), gamma=Float(0, 5)"),
            "declares 'alpha', which is no hyperparameter",
        ),
        (loss("gama=Float(0, 5)"), "did you mean 'gamma'?"),
        (loss("gamma=Float(3, 5)"), "has gamma=2.0, outside its range 3 to 5"),
        (loss("gamma=Float(5, 3)"), "the range is upside down"),
        (loss("gamma=Float(0, 5, logarithmic=True)"), "unexpected keyword argument 'logarithmic'"),
        (loss("gamma=2.0"), "declares gamma=2.0, which is no range: write gamma=Float(1, 4)"),
        (
            loss("per_row='yes', gamma=Float(0, 5)"),
            "declares per_row='yes', which for a loss is False",
        ),
        (loss("Float(0, 5)"), "a decorator with a value that has no name"),
        (
            loss("gamma=Float(0, 5)", "logits, target, class_counts, *, gamma"),
            "no default for 'gamma'",
        ),
        (
            loss("gamma=Float(0, 5)", "logits, target, class_counts, gamma=2.0"),
            "come after a '*': def mine(logits, target, class_counts, *, gamma=…)",
        ),
        (
            loss("", "logits, labels"),
            "takes (logits, labels) where a loss takes (logits, target, class",
        ),
        (loss("", "target, probability"), "is a metric by what it takes: write @metric()"),
        (
            loss("", "logits, target, class_counts, *more"),
            "takes (logits, target, class_counts, *more)",
        ),
        (loss("", "logits, target, class_counts, *, per_row=True"), "says what it can do"),
        (loss("", "logits, target, class_counts") + LOSS, "a loss 'mine' is in line 5 already"),
        (
            "def mine(logits, target, class_counts, *, gamma=1.0): ...",
            "'mine' takes what a loss takes, and no decorator makes it one: write @loss(gamma=…)",
        ),
        (
            f"PLUGIN_API = {PLUGIN_API + 1}\n" + loss("", "logits, target, class_counts"),
            f"line 1: is written for plugin API {PLUGIN_API + 1}, and this automask has {PLUGIN_API}",
        ),
        ("PLUGIN_API = 'one'\n" + loss("", "logits, target, class_counts"), "a whole number"),
    ],
)
def test_a_mistake_is_told_with_what_to_write(text, sentence):
    assert any(sentence in mistake for mistake in read_source(text).mistakes), read_source(text)


@pytest.mark.parametrize(
    "text",
    [
        FOCAL,
        FOCAL.replace("from automask import Float, loss", "import automask as a").replace(
            "@loss(gamma=Float", "@a.loss(gamma=a.Float"
        ),
        "from automask import *\n" + loss("gamma=Float(0, 5)"),
        loss("gamma=RANGE").replace("\n\n\n", "\nRANGE = Float(0, 5)\n\n"),
        loss("**RANGES").replace("\n\n\n", "\nRANGES = {'gamma': Float(0, 5)}\n\n"),
        loss("gamma=Float(-1, 5)", "logits, target, class_counts, /, *, gamma=-1"),
        "x = 1\n",
        "from mine import *\n\n@loss()\ndef own(logits, target, class_counts): ...\n\nown(1)\n",
        "import automask.testing\n\n@automask.tta()\ndef same(images):\n    '''Same.'''\n",
        "from automask import tta\nfrom functools import cache\n\n@cache\ndef weight(): ...\n"
        "@tta()\ndef same(images):\n    '''Same.'''\n    return [images]\n",
    ],
)
def test_what_may_be_right_is_left_to_the_run(text):
    assert read_source(text).mistakes == ()


@pytest.mark.parametrize("file", sorted((ROOT / "plugins").glob("*.py")), ids=lambda f: f.stem)
def test_those_that_ship_have_no_mistake(file):
    assert read_source(file.read_bytes(), alone=False).mistakes == ()


def test_hints_are_of_what_works_but_might_be_better():
    text = (
        "import torch\nfrom torch import nn\nfrom automask.training import flops\n"
        + loss("gamma=Float(0, 5)")
        + "\ndef other(logits, target, class_counts): ...\n"
        + "\ndef _helper(logits, target, class_counts): ...\n"
    )
    assert read_source(text).mistakes == ()
    stray, slow, unstable = read_source(text).hints
    assert "'other' takes what a loss takes" in stray
    assert slow.startswith("line 1: imports torch at its top")
    assert unstable.startswith("line 3: automask.training may be another")


def test_nothing_runs_where_the_text_has_mistakes(tmp_path):
    file, trace = tmp_path / "mine.py", tmp_path / "trace"
    file.write_text(f"open({str(trace)!r}, 'w')\n" + loss() + loss("gamma=1.0"))
    with pytest.raises(PluginError) as told:
        testing.check_file(file)
    assert str(told.value).count("\n") >= 3
    assert not trace.exists()


def test_a_file_without_a_plugin_is_told_how_to_write_one(tmp_path):
    (tmp_path / "none.py").write_text("x = 1\n")
    with pytest.raises(UserError, match="none of its functions has a decorator such as @loss"):
        testing.check_file(tmp_path / "none.py")


def test_a_broken_promise_is_told_with_the_promise(tmp_path):
    file = tmp_path / "mine_broken.py"
    file.write_text(loss("", "logits, target, class_counts") + "    return logits\n")
    assert check_source(file) == ()
    with pytest.raises(PluginError, match="what every loss promises: The loss of each row"):
        testing.check_file(file)


def test_the_page_on_what_is_stable_names_what_the_check_takes_for_stable():
    import automask

    page = (ROOT / "docs" / "plugin-api.md").read_text("utf-8")
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| `")]
    assert sorted({row[1].strip(" `") for row in rows} - {"the entry-point group"}) == sorted(
        STABLE
    )
    names = [name.strip(" `") for name in rows[0][2].split(",")]
    assert [name for name in names if name.isidentifier() and not hasattr(automask, name)] == []
    assert f"now {PLUGIN_API} " in page
