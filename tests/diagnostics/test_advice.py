"""The transfer matrix: what the probe measures, what follows, and how a search begins with it."""

import numpy as np
import pytest

from automask.diagnostics import linear_probe
from automask.diagnostics.advice import measure, probe_recipe
from automask.diagnostics.linear_probe import Estimate, Probe, discriminants, shuffle_units
from automask.diagnostics.transfer_matrix import CASES, MATTERS, Evidence, decide, recipes
from automask.errors import UserError
from automask.hpo import trials
from automask.hpo.limits import Limits
from automask.hpo.searcher import Searcher
from automask.space import registry, space_file
from automask.study import adaptation, opening, run
from automask.study.session import Options
from automask.training.pretrained import Checkpoint
from helpers.commands import automask, refused
from helpers.competition import SPACE
from helpers.searches import pretend

MACRO_F1 = registry.get("metric", "macro_f1").function


def planted(rows, seed=0, C=3, D=40, distance=1.5):
    """Features `[rows, D]` of classes that lie apart, and labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % C
    means = np.random.default_rng(99).normal(size=(C, D)) * distance / np.sqrt(D)
    return (means[labels] + rng.normal(size=(rows, D)) / np.sqrt(8)).astype(np.float32), labels


def probe(labels, metric=MACRO_F1, folds=3, units=None):
    units = np.arange(len(labels)) if units is None else units
    return Probe(metric, labels, units // 3 % folds, units, seed=0)


def noise(rows, D=40):
    return np.random.default_rng(5).normal(size=(rows, D)).astype(np.float32)


def test_the_second_half_of_the_rows_gains_less_the_more_there_are():
    gains = []
    for rows in (36, 180, 1200):
        features, labels = planted(rows)
        gains.append(probe(labels).compare(features)[0])
    values = [gain.value for gain in gains]
    assert values[0] > values[1] > values[2]
    assert gains[0].error > gains[2].error
    assert values[0] + gains[0].error > MATTERS > values[2] + gains[2].error


@pytest.mark.parametrize("metric", ["macro_f1", "accuracy", "log_loss", "roc_auc", "cohen_kappa"])
def test_features_that_know_lift_and_those_that_do_not_lift_nothing(metric):
    features, labels = planted(300)
    score = registry.get("metric", metric).function
    _, lift = probe(labels, score).compare(features, noise(300))
    assert lift.value - lift.error > 0.2
    low, high = probe(labels, score).compare(noise(300), noise(300)[:, ::-1])[1].interval
    assert low <= 0 <= high
    _, none = probe(labels).compare(features)
    assert none is None


def test_rows_of_a_group_are_one_observation():
    features, labels = planted(60)
    tenfold = np.repeat(np.arange(60), 10)
    copies, of_copies = features[tenfold], labels[tenfold]
    alone = probe(labels).compare(features, noise(60))
    grouped = probe(of_copies, units=tenfold).compare(copies, noise(60)[tenfold])
    blind = Probe(MACRO_F1, of_copies, tenfold // 3 % 3, np.arange(600), 0).compare(
        copies, noise(60)[tenfold]
    )
    assert grouped[1].error == pytest.approx(alone[1].error, rel=0.4)
    assert blind[1].error < grouped[1].error / 2


def test_halves_are_made_of_whole_groups_but_for_the_last():
    units = np.arange(60) // 6
    half = shuffle_units(np.arange(60), units, np.random.default_rng(0))[:30]
    counts = np.bincount(units[half], minlength=10)
    assert sorted(counts.tolist()) == [0] * 5 + [6] * 5


def test_the_discriminants_are_those_of_scikit_learn():
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    features, labels = planted(2000, D=5)
    likelihood, prior = discriminants(features, labels, features, 3)
    logits = likelihood + prior
    ours = np.exp(logits - logits.max(1, keepdims=True))
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(features, labels).predict_proba(features)
    ours /= ours.sum(1, keepdims=True)
    # Theirs isn't shrunk, so that single rows on a border differ.
    assert np.abs(ours - theirs).mean() < 0.005
    assert (ours.argmax(1) == theirs.argmax(1)).mean() > 0.99


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 0, 0, 2], [1, 1, 2, 2]])
def test_classes_without_rows_are_never_said(labels):
    rng = np.random.default_rng(0)
    likelihood, prior = discriminants(
        rng.normal(size=(4, 6)), np.array(labels), rng.normal(size=(5, 6)), 3
    )
    absent = sorted({0, 1, 2} - set(labels))
    assert (likelihood[:, absent] == -np.inf).all()
    assert np.isfinite((likelihood + prior)[:, sorted(set(labels))]).all()


def evidence(gain, lift):
    return Evidence(
        Estimate(*gain), Estimate(*lift) if lift else None, 0.1, 1.0, "test_resnet", 32, 30
    )


@pytest.mark.parametrize(
    ("gain", "lift", "sentence"),
    [
        ((0.01, 0.01), (0.3, 0.05), "train the head only"),
        ((0.01, 0.01), (0.01, 0.02), "train all"),
        ((0.09, 0.02), (0.3, 0.05), "fine-tune some"),
        ((0.09, 0.02), (-0.1, 0.02), "use other weights or none"),
        ((0.01, 0.01), None, "train all from random weights"),
        ((0.09, 0.02), None, "find pretrained weights"),
        # Doubt counts against: few rows, and weights that may be no better.
        ((0.02, 0.1), (0.3, 0.05), "fine-tune some"),
        ((0.01, 0.01), (0.08, 0.1), "train all"),
    ],
)
def test_the_corners_of_the_matrix(gain, lift, sentence):
    assert decide(evidence(gain, lift)).sentence.startswith(sentence)


@pytest.mark.parametrize("name", space_file.shipped())
def test_every_case_moves_into_every_space(name):
    chosen = space_file.load(name)
    if name != "demo":
        chosen = chosen.with_models([("timm", "test_resnet"), ("timm", "test_vit")])
    for case in CASES:
        found = recipes(case, chosen)
        hashes = {recipe.hash for recipe, _ in found}
        assert len(hashes) == len(found) <= 4
        assert chosen.default()[0].hash not in hashes
        for recipe, free in found:
            again = chosen.sample(lambda name, range_, free=free: free[name])
            assert again == recipe
            assert recipe["freeze"].name in chosen.competitors["freeze"]
    if name == "full":
        head, scratch = CASES[0], CASES[3]
        assert recipes(head, chosen)[0][0]["freeze"].name == "head_only"
        assert any(not r.training["pretrained"] for r, _ in recipes(scratch, chosen))


def test_a_freeze_that_the_space_lacks_becomes_the_nearest():
    chosen = space_file.load("quick").with_models([("timm", "test_resnet")])
    some = next(case for case in CASES if case.sentence.startswith("fine-tune some"))
    # quick has full, head_only and gradual, but no last_stages.
    assert "last_stages" not in chosen.competitors["freeze"]
    kinds = {recipe["freeze"].name for recipe, _ in recipes(some, chosen)}
    assert kinds <= {"head_only", "gradual"}


def test_the_queue_is_the_default_then_the_advice_then_others(inside):
    opened = opening.begin(Options(space="space.toml", folds=3))
    case = CASES[0]
    wanted = recipes(case, opened.space)
    assert wanted
    opened.study.set_user_attr("advice", {"recipes": [free for _, free in wanted]})
    count = len(wanted) + 4
    Searcher(opened.study, opened.space, opened.store, Limits(count), pretend).run()
    done = [trial.user_attrs["hash"] for trial in trials.finished_trials(opened.study)]
    assert len(done) == len(set(done)) == count
    first = [opened.space.default()[0].hash, *(recipe.hash for recipe, _ in wanted)]
    assert done[: len(first)] == first


def test_a_search_measures_once_and_advise_makes_no_study(project):
    out = automask(project, "advise", "--space", "space.toml", "--folds", "3")
    assert out.returncode == 0, out.stderr
    assert "probe: test_resnet at 32 px, 30 of 30 train rows" in out.stdout
    assert "enough? the second half of the rows gains" in out.stdout
    assert "the space has nothing pretrained" in out.stdout
    assert [folder.name for folder in (project / "runs").iterdir()] == ["cache"]
    searched = ("search", "--space", "space.toml", "--folds", "3", "--workers", "1", "--trials")
    first = automask(project, *searched, "1")
    assert first.returncode == 0, first.stderr
    assert first.stdout.count("note: enough?") == 1
    again = automask(project, *searched, "1")
    assert again.returncode == 0, again.stderr
    assert "enough?" not in again.stdout


def test_pretrained_weights_are_held_against_random_ones(inside):
    import timm
    from safetensors.torch import save_file

    (inside / "weights").mkdir()
    for name in ("test_resnet", "test_convnext"):
        save_file(timm.create_model(name).state_dict(), inside / f"weights/{name}.safetensors")
    (inside / "space.toml").write_text(SPACE.replace("pretrained = false", "pretrained = true"))
    opened = opening.survey(Options(space="space.toml", folds=3, weights="weights"))
    assert opened.study is None
    recipe = probe_recipe(opened.space, opened.weights)
    lightest = min((inside / "weights").glob("*.safetensors"), key=lambda f: f.stat().st_size)
    assert recipe["backbone"].params["model"] == lightest.stem
    drawn = linear_probe.draw(opened.task())
    found = measure(drawn, recipe, drawn.features(recipe))
    assert found.lift is not None and found.rows == 30
    again = linear_probe.draw(opened.task())
    assert measure(again, recipe, again.features(recipe)) == found
    advice = run.measure_advice(opened)
    assert any(line.startswith("similar? the pretraining gains") for line in advice.lines)
    assert 1 <= len(advice.attributes.advice["recipes"]) <= 4


def test_weights_that_do_not_fit_leave_the_space(inside):
    import timm
    from safetensors.torch import save_file

    (inside / "weights").mkdir()
    state = timm.create_model("test_resnet").state_dict()
    kept = {name: t for name, t in state.items() if not name.endswith("num_batches_tracked")}
    assert len(kept) < len(state)
    save_file(kept, inside / "weights/test_resnet.safetensors")
    save_file(state, inside / "weights/test_vit.safetensors")
    save_file(state, inside / "weights/test_resnett.safetensors")
    (inside / "space.toml").write_text(SPACE.replace("pretrained = false", "pretrained = true"))
    options = Options(space="space.toml", folds=3, weights="weights")
    opened = opening.survey(options)
    assert opened.space.models() == [("timm", "test_resnet")]
    (note,) = (note for note in opened.notes if note.startswith("left out: "))
    assert "test_vit.safetensors doesn't fit timm's test_vit: it lacks" in note
    assert "timm has no model 'test_resnett': did you mean 'test_resnet'?" in note
    assert not run.measure_advice(opened).lines[0].startswith("no advice")
    (inside / "weights/test_resnet.safetensors").unlink()
    with pytest.raises(UserError, match="no weights given fit"):
        opening.survey(options)


def test_a_checkpoint_of_other_shapes_is_refused(tmp_path):
    import timm
    from safetensors.torch import save_file

    module = timm.create_model("test_resnet", num_classes=0)
    state = module.state_dict()
    name = next(name for name, tensor in state.items() if tensor.ndim == 4)
    save_file({**state, name: state[name][:-1].contiguous()}, tmp_path / "test_resnet.safetensors")
    with pytest.raises(UserError, match=f"other shapes have 1 of its tensors, such as {name}"):
        Checkpoint(str(tmp_path / "test_resnet.safetensors")).check(module)


def test_a_probe_that_fails_for_a_reason_stops_no_search(inside, monkeypatch):
    (inside / "weights").mkdir()
    monkeypatch.setattr(adaptation, "drop_unfit", lambda checkpoints: (checkpoints, []))
    import timm
    from safetensors.torch import save_file

    state = timm.create_model("test_convnext").state_dict()
    save_file(state, inside / "weights/test_resnet.safetensors")
    (inside / "space.toml").write_text(SPACE.replace("pretrained = false", "pretrained = true"))
    opened = opening.survey(Options(space="space.toml", folds=3, weights="weights"))
    advice = run.measure_advice(opened)
    assert advice.lines[0].startswith("no advice: no features of test_resnet")
    assert advice.attributes.advice["recipes"] == []


def test_advise_refuses_what_search_refuses(project):
    refused(automask(project, "advise", "--weights", "nowhere"), "nowhere: no such folder")
    refused(automask(project, "advise", "--metric", "macro_f"), "did you mean 'macro_f1'?")
    (project / "automask.toml").unlink()
    refused(automask(project, "advise"), "run 'automask init DATA' first")
