"""Rules: what is never sampled together, what a space that leaves nothing else is told."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automask import never
from automask.errors import PluginError, UserError
from automask.space import registry, rules, space_file
from automask.space.ranges import Categorical
from automask.space.recipe import CHOICES
from automask.space.rules import Rule
from automask.space.space import Space
from helpers.commands import automask
from helpers.competition import SPACE

registry.load()

KINDS = {
    "freeze": ["full", "head_only", "gradual"],
    "loss": ["cross_entropy", "focal", "bce"],
    "head": ["joint", "factored"],
    "training.pretrained": [True, False],
}


@pytest.fixture
def ruled(monkeypatch):
    """No rules but those given."""

    def only(*whens):
        made = [Rule(tuple(when.items()), "the test says so", "here") for when in whens]
        monkeypatch.setattr(rules, "RULES", made)

    return only


def made(competitors):
    """A space of these names, without hyperparameters."""
    kinds = {kind: names for kind, names in competitors.items() if "." not in kind}
    return Space(
        "test",
        {kind: {name: {} for name in names} for kind, names in kinds.items()},
        {"pretrained": Categorical(*competitors["training.pretrained"])},
        adapts=False,
    )


def facts(recipe):
    return {
        **{kind: choice.name for kind, choice in recipe.choices.items()},
        "training.pretrained": recipe.training["pretrained"],
    }


def parts():
    return st.fixed_dictionaries({key: st.sampled_from(values) for key, values in KINDS.items()})


@st.composite
def whens(draw):
    keys = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=2, max_size=3, unique=True))
    full = draw(parts())
    return {key: full[key] for key in keys}


@st.composite
def competitors(draw):
    return {
        key: draw(st.lists(st.sampled_from(values), min_size=1, unique=True))
        for key, values in KINDS.items()
    }


class Odometer:
    """Answers `suggest` with every combination of choices in turn; notes what it was asked."""

    def __init__(self):
        self.digits, self.asked = [], {}

    def __call__(self, name, range_):
        if name in self.asked:
            assert self.asked[name] == range_.choices, "a name has the same choices always"
        self.asked[name] = range_.choices
        if self.position == len(self.digits):
            self.digits.append([0, len(range_.choices)])
        self.position += 1
        return range_.choices[self.digits[self.position - 1][0]]

    def recipes(self, chosen):
        while True:
            self.position = 0
            yield chosen.sample(self)
            while self.digits and self.digits[-1][0] + 1 == self.digits[-1][1]:
                self.digits.pop()
            if not self.digits:
                return
            self.digits[-1][0] += 1


@given(competitors(), st.lists(whens(), max_size=5))
def test_what_is_sampled_is_exactly_what_no_rule_forbids(names, forbidden):
    chosen = made(names)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            rules, "RULES", [Rule(tuple(when.items()), "so", "here") for when in forbidden]
        )
        every = [dict(zip(names, row, strict=True)) for row in itertools.product(*names.values())]
        right = [one for one in every if not any(one.items() >= w.items() for w in forbidden)]
        mistakes = rules.mistakes(chosen.domains, chosen.domains)
        assert bool(mistakes) == any(
            all(one[key] != value for one in right) for key in names for value in names[key]
        )
        if not right:
            with pytest.raises(UserError, match="rules leave no recipe"):
                chosen.default()
            return
        sampled = [facts(recipe) for recipe in Odometer().recipes(chosen)]
        assert len(sampled) == len(right)
        assert all(one in right for one in sampled)
        assert facts(chosen.default()[0]) in right


def test_choices_that_rules_left_are_asked_for_under_a_name_of_their_own(ruled):
    ruled({"freeze": "full", "loss": "bce"}, {"freeze": "head_only", "loss": "bce"})
    ruled({"freeze": "head_only", "loss": "bce"}, {"freeze": "gradual", "loss": "focal"})
    odometer = Odometer()
    list(odometer.recipes(made({**KINDS, "head": ["joint"], "training.pretrained": [True]})))
    assert odometer.asked == {
        "freeze": ("full", "head_only", "gradual"),
        "loss": ("cross_entropy", "focal", "bce"),
        "loss of cross_entropy, focal": ("cross_entropy", "focal"),
        "loss of cross_entropy, bce": ("cross_entropy", "bce"),
    }


def test_the_default_is_moved_to_what_is_allowed(ruled):
    ruled({"freeze": "full", "loss": "cross_entropy"}, {"freeze": "full", "loss": "focal"})
    recipe, free = made(KINDS).default()
    assert (recipe["freeze"].name, recipe["loss"].name) == ("full", "bce")
    assert free["freeze"] == "full" and "loss" not in free
    ruled({"freeze": "full", "loss": "cross_entropy"})
    recipe, free = made(KINDS).default()
    assert recipe["loss"].name == free["loss of focal, bce"] == "focal"


def test_optuna_takes_the_names(ruled):
    import optuna

    from automask.hpo.suggester import suggester

    ruled({"freeze": "head_only", "loss": "bce"}, {"training.pretrained": False, "freeze": "full"})
    chosen = made(KINDS)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0, multivariate=True))
    study.enqueue_trial(chosen.default()[1])
    seen = []
    for _ in range(40):
        trial = study.ask()
        seen.append(facts(chosen.sample(suggester(trial))))
        study.tell(trial, len(seen))
    assert seen[0] == facts(chosen.default()[0])
    assert not any(one["freeze"] == "head_only" and one["loss"] == "bce" for one in seen)
    assert {one["training.pretrained"] for one in seen if one["freeze"] == "full"} == {True}
    assert {one["loss"] for one in seen if one["freeze"] == "head_only"} == {
        "cross_entropy",
        "focal",
    }


def test_a_space_that_leaves_nothing_else_is_refused_with_the_reason(tmp_path):
    file = tmp_path / "space.toml"
    file.write_text(SPACE.replace("image_size = 32", "image_sise = 32") + "\n[freeze.head_only]\n")
    with pytest.raises(UserError) as caught:
        space_file.load(str(file))
    told = str(caught.value)
    assert "image_sise" in told, "told together with the other mistakes"
    assert "freeze head_only is in no recipe of this space" in told
    assert "never with training.pretrained = false: layers from random weights" in told
    both = SPACE.replace("pretrained = false", "pretrained = [true, false]")
    file.write_text(both + "\n[freeze.head_only]\n")
    kept = space_file.load(str(file))
    assert set(kept.competitors["freeze"]) == {"full", "norm_and_head", "head_only"}
    file.write_text(both.replace("[freeze.full]", "").replace("norm_and_head", "head_only"))
    with pytest.raises(UserError, match=r"training.pretrained = false is in no recipe"):
        space_file.load(str(file))


def test_the_full_space_trains_random_weights_only_where_all_may_learn():
    import random

    full, rng = space_file.load("full"), random.Random(0)
    seen = {True: set(), False: set()}
    for _ in range(400):
        recipe = full.sample(lambda name, range_: rng.choice(range_.corners()))
        seen[recipe.training["pretrained"]].add(recipe["freeze"].name)
    assert seen == {
        True: set(registry.plugins("freeze")),
        False: {"full", "norm_and_head"},
    }


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ({"freese": "full", "loss": "bce"}, "can't be of 'freese': did you mean 'freeze'?"),
        ({"freeze": "ful", "loss": "bce"}, "unknown freeze 'ful': did you mean 'full'?"),
        ({"training.epochs": 3, "loss": "bce"}, "can't be of 'training.epochs'"),
        ({"training.pretrained": "no", "loss": "bce"}, "unknown training.pretrained 'no'"),
        ({"loss": "bce"}, "two things"),
    ],
)
def test_a_rule_of_what_is_not_there_is_refused(monkeypatch, when, words):
    monkeypatch.setattr(rules, "RULES", [])
    never(when, because="of the test")
    with pytest.raises(PluginError) as caught:
        rules.check(registry.KINDS, CHOICES)
    assert "test_rules.py" in str(caught.value)
    assert words in str(caught.value)


MINE = """
from automask import never

never({"loss": "focal", "freeze": "gradual"}, because="I tried")
"""


def test_a_rule_of_the_users_is_listed_and_a_wrong_one_refused(tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "mine.py").write_text(MINE)
    out = automask(tmp_path, "plugins", "show", "focal")
    assert "loss focal never with freeze gradual: I tried" in out.stdout
    (tmp_path / "plugins" / "mine.py").write_text(MINE.replace("gradual", "graduall"))
    out = automask(tmp_path, "plugins")
    assert out.returncode == 2
    assert "plugins/mine.py: a rule names unknown freeze 'graduall'" in out.stderr
    assert "Traceback" not in out.stderr
