"""Every plugin keeps its contract, and what a contract refuses is refused with a sentence."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import automask as package
from automask import testing
from automask.errors import PluginError, UserError
from automask.space import plugin_descriptions, registry
from automask.space.kinds import DEFAULTS, KINDS, Kind
from automask.space.ranges import Float
from helpers.commands import automask
from helpers.plugins import FOCAL

registry.load()
EVERY = [plugin for kind in KINDS.values() for plugin in kind.plugins.values()]


@pytest.mark.parametrize("plugin", EVERY, ids=lambda p: f"{p.kind}-{p.name}")
def test_keeps_its_contract_at_every_corner(plugin):
    testing.check(plugin)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_promise_a_check_a_plugin_and_a_decorator(kind):
    assert inspect.getdoc(KINDS[kind].protocol)
    assert KINDS[kind].check
    assert KINDS[kind].plugins
    assert getattr(package, kind) is KINDS[kind]


def test_a_recipe_has_the_kinds_with_a_default_in_the_order_in_which_they_are_drawn():
    for kind, name in DEFAULTS.items():
        registry.get(kind, name)
        assert not KINDS[kind].plain or KINDS[kind].plain in KINDS[kind].plugins
    assert list(DEFAULTS) == [
        "backbone",
        "head",
        "freeze",
        "loss",
        "optimizer",
        "scheduler",
        "labelling",
        "sampling",
        "augmentation",
        "mix",
        "preprocessing",
        "resize",
    ]


def own(name):
    """A kind like that of the name, without its plugins."""
    return Kind(name, KINDS[name].protocol, abilities=KINDS[name].abilities)


def refusal(**ranges):
    kind = own("loss")

    def register(function):
        with pytest.raises(PluginError) as caught:
            kind(**ranges)(function)
        return str(caught.value)

    return register


def test_refuses_a_missing_docstring():
    def bare(logits, target, class_counts): ...

    assert "has no docstring" in refusal()(bare)


def test_refuses_a_wrong_contract():
    def wrong(logits, labels):
        """Wrong."""

    text = refusal()(wrong)
    assert "takes (logits, labels) where a loss takes (logits, target, class_counts)" in text
    assert Path(__file__).name in text


def test_refuses_a_range_without_parameter_and_a_parameter_without_range():
    def odd(logits, target, class_counts, *, gamma=1.0):
        """Odd."""

    assert "range for 'alpha'" in refusal(alpha=Float(0, 1), gamma=Float(0, 2))(odd)
    assert "no range for 'gamma'" in refusal()(odd)


def test_refuses_a_default_outside_its_range():
    def outside(logits, target, class_counts, *, gamma=9.0):
        """Outside."""

    assert "gamma=9.0, outside its range 0 to 2" in refusal(gamma=Float(0, 2))(outside)


def test_an_unknown_name_gets_a_suggestion():
    with pytest.raises(UserError, match=r"unknown loss 'focl': did you mean 'focal'\?"):
        registry.get("loss", "focl")


def test_a_range_upside_down_is_refused():
    with pytest.raises(ValueError, match="upside down"):
        Float(2.0, 1.0)


def test_the_check_finds_a_plugin_that_breaks_its_promise():
    kind = own("loss")

    @kind(gamma=Float(0.0, 2.0))
    def broken(logits, target, class_counts, *, gamma=1.0):
        """Takes the logarithm of a probability that can be zero."""
        return (target * logits.softmax(-1).log() * gamma).sum(-1) / gamma

    with pytest.raises(PluginError, match=r"loss 'broken' with \(gamma="):
        testing.check(kind.plugins["broken"])


def test_the_check_finds_a_mix_that_breaks_on_features():
    kind = own("mix")

    @kind()
    def upright(inputs, target, rng):
        """Turns images, and never thought of features."""
        return inputs.flip(dims=(3,)), target

    with pytest.raises(
        PluginError, match=r"mix 'upright' with \(\): .*Dimension out of range"
    ) as told:
        testing.check(kind.plugins["upright"])
    assert 'say @mix(takes="pixels")' in str(told.value)
    kind(takes="pixels")(upright)
    testing.check(kind.plugins["upright"])


def hard(logits, target, class_counts, *, gamma=1.0):
    """Cross entropy, for declarations to be tried on."""
    return -(target * logits.log_softmax(-1)).sum(-1)


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ({"per_row": "yes"}, "declares per_row='yes', which for a loss is False or True"),
        (
            {"per_raw": True},
            "declares 'per_raw', which nobody asks a loss: did you mean 'per_row'?",
        ),
        ({"takes": "pixels"}, "declares 'takes', which nobody asks a loss"),
        ({"gamma": 2.0}, "declares gamma=2.0, which is no range"),
        ({"per_row": Float(0.0, 1.0)}, "declares per_row="),
    ],
)
def test_refuses_what_no_plugin_of_the_kind_can_declare(declared, sentence):
    assert f"loss 'hard' {sentence}" in refusal(**{"gamma": Float(0.0, 2.0), **declared})(hard)


def test_refuses_a_hyperparameter_named_like_an_ability():
    def clash(logits, target, class_counts, *, per_row=1.0):
        """Clash."""

    told = refusal(per_row=Float(0.0, 1.0))(clash)
    assert "has a hyperparameter 'per_row', which for a loss says what it can do" in told


def test_who_declares_nothing_is_taken_for_the_cautious_answer():
    kind = own("loss")
    kind(gamma=Float(0.0, 2.0))(hard)
    assert kind.plugins["hard"].abilities == {"per_row": False, "target": "single"}
    kind(gamma=Float(0.0, 2.0), per_row=True)(hard)
    assert kind.plugins["hard"].abilities == {"per_row": True, "target": "single"}
    testing.check(kind.plugins["hard"])


def batch_loss(logits, target, class_counts):
    """A value for the batch."""
    return -(target * logits.log_softmax(-1)).sum(-1).mean()


def mixed_up_loss(logits, target, class_counts):
    """Its weights are summed over whatever comes."""
    weights = class_counts / class_counts.sum()
    return -(target * weights * logits.log_softmax(-1)).sum(-1)


def normed_head(D, attributes):
    """What a row gives depends on the others."""
    from torch import nn

    class Centred(nn.Linear):
        def forward(self, inputs):
            return super().forward(inputs - inputs.mean(0))

    return Centred(D, len(attributes.classes))


def clipped(parameter_groups):
    """One that goes by the length of the whole gradient."""
    import torch

    class Clipped(torch.optim.SGD):
        def step(self, closure=None):
            for group in self.param_groups:
                torch.nn.utils.clip_grad_norm_(group["params"], 1.0)
            return super().step(closure)

    return Clipped(parameter_groups, lr=0.1)


def peeking(labels, features, rng):
    """Reads features."""
    return rng.permutation(len(features()))


def looking(rows):
    """Counts images."""
    list(rows.images(1))


def mirroring(images):
    """Turns left and right round."""
    return [images.flip(3)]


def share_right(target, probability):
    """Counts likeliest classes."""
    return float((probability.argmax(1) == target).mean())


def two_attributes(D, attributes):
    """Knows attributes by their places."""
    from torch import nn

    assert len(attributes.names) == 2, "where is the other attribute?"
    return nn.Linear(D, len(attributes.classes))


def normalised(inputs, target, rng):
    """Makes targets sum to 1, as if they had to."""
    mixed = (target + target.roll(1, 0)) / 2
    return inputs, mixed / mixed.sum(1, keepdim=True)


def by_class(labels, features, rng):
    """As many rows of each class."""
    return np.concatenate([rng.permutation(np.flatnonzero(labels == k)) for k in range(3)])


def likeliest(probability, target, metric, rng):
    """Certain of the first member's likeliest class, of as many as the target names."""
    return lambda table: np.eye(int(target.max()) + 1)[table[0].argmax(1)]


@pytest.mark.parametrize(
    ("kind", "declared", "function", "sentence"),
    [
        ("loss", {"per_row": True}, batch_loss, "gives one value for a batch"),
        (
            "loss",
            {"per_row": True},
            mixed_up_loss,
            "gives other values to batches of several folds",
        ),
        ("head", {"per_row": True}, normed_head, "depends on other rows"),
        ("optimizer", {"elementwise": True}, clipped, "moves by more than each number's own"),
        ("sampling", {"reads_features": False}, peeking, "say @sampling(reads_features=True)"),
        ("preprocessing", {"fitted": False}, looking, "say @preprocessing(fitted=True)"),
        ("tta", {"mirrors": False}, mirroring, "say @tta(mirrors=True)"),
        ("metric", {"target": "any"}, share_right, "(with any number of labels a row)"),
        ("metric", {"target": ("single", "number")}, share_right, "(with a number a row)"),
        ("head", {"target": "any"}, two_attributes, "(with one grade a row, in order)"),
        ("mix", {"target": "multi"}, normalised, "no weighted mean of those given"),
        ("sampling", {"target": "multi"}, by_class, "(with any number of labels a row)"),
        ("ensemble", {"target": ("single", "number")}, likeliest, "(with a number a row)"),
    ],
)
def test_the_check_holds_a_plugin_to_what_it_declares(kind, declared, function, sentence):
    kind = own(kind)
    kind()(function)
    testing.check(kind.plugins[function.__name__])
    kind(**declared)(function)
    with pytest.raises(PluginError, match=re.escape(sentence)):
        testing.check(kind.plugins[function.__name__])


def test_a_local_file_is_listed_checked_and_stands_in_for_the_built_in(tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "mine.py").write_text(FOCAL)
    listed = automask(tmp_path, "plugins", "loss")
    assert listed.returncode == 0, listed.stderr
    assert "plugins/mine.py, instead of built in" in listed.stdout
    checked = automask(tmp_path, "plugins", "check", "plugins/mine.py")
    assert checked.returncode == 0, checked.stderr
    assert "loss focal: keeps its contract" in checked.stdout


def test_two_local_files_with_one_name_are_refused(tmp_path):
    (tmp_path / "plugins").mkdir()
    for name in ("mine.py", "other.py"):
        (tmp_path / "plugins" / name).write_text(FOCAL)
    out = automask(tmp_path, "plugins")
    assert out.returncode == 2
    assert (
        "plugins/other.py: a loss named 'focal' is already there, from plugins/mine.py"
        in out.stderr
    )
    assert "Traceback" not in out.stderr


def test_a_local_file_that_cannot_be_loaded_is_named(tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "torn.py").write_text("def focal(:\n")
    out = automask(tmp_path, "plugins")
    assert out.returncode == 2
    assert "torn.py, line 1" in out.stderr
    assert "Traceback" not in out.stderr


def test_a_package_of_somebody_else_named_plugins_is_left_alone(tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "__init__.py").write_text("raise RuntimeError('not yours')\n")
    assert automask(tmp_path, "plugins", "loss").returncode == 0


def test_show_tells_all_of_a_plugin(tmp_path):
    out = automask(tmp_path, "plugins", "show", "loss.focal").stdout
    for part in (
        "loss focal(logits, target, class_counts)",
        "plugins/losses.py",
        inspect.getdoc(registry.get("loss", "focal").function),
        "gamma 0 to 5, default 2",
        "abilities: per_row=True",
        "in the spaces that ship: full\n",
        "(logits: Tensor, target: Tensor, class_counts: Tensor) -> Tensor",
        "every loss:",
        inspect.getdoc(KINDS["loss"].protocol).splitlines()[-1],
    ):
        assert part in out
    assert "freeze head_only never with training.pretrained = false" in (
        automask(tmp_path, "plugins", "show", "head_only").stdout
    )
    assert "ship" not in automask(tmp_path, "plugins", "show", "macro_f1").stdout


def test_show_tells_every_plugin_of_a_name_and_suggests(tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "mine.py").write_text(FOCAL.replace("focal", "joint"))
    out = automask(tmp_path, "plugins", "show", "joint").stdout
    assert "loss joint(" in out and "head joint(" in out
    for wrong, right in (("focl", "focal"), ("loss.focl", "loss.focal")):
        out = automask(tmp_path, "plugins", "show", wrong)
        assert out.returncode == 2
        assert f"did you mean '{right}'?" in out.stderr
    assert automask(tmp_path, "plugins", "show").returncode == 2


def test_the_table_in_the_docs_is_that_of_the_registry():
    file = Path(__file__).parents[2] / "docs" / "plugin-list.md"
    text = file.read_text("utf-8")
    assert text.count(plugin_descriptions.BEGIN) == text.count(plugin_descriptions.END) == 1
    assert plugin_descriptions.renewed_page(text) == text, (
        "run: python -m automask.space.plugin_descriptions docs/plugin-list.md"
    )
    for plugin in EVERY:
        assert f"| `{plugin.name}` | {plugin.summary}" in text
