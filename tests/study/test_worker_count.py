"""How many workers a processor gets, by the time that there is."""

import time

import pytest
import timm
from safetensors.torch import save_file

from automask import machine
from automask.hpo.attributes import StudyAttributes
from automask.study import opening, worker_count
from automask.study.session import Options
from automask.training import flops

SPACE = """
[training]
pretrained = true
image_size = [32, 64]
epochs = { low = 2, high = 18 }
warmup_epochs = 0
batch_size = 8

[backbone.timm]
model = "test_resnet"
drop_rate = 0.0
drop_path_rate = 0.0

[freeze.full]

[freeze.head_only]

[augmentation.none]
"""


@pytest.fixture
def session(inside, monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 4)
    (inside / "mine.toml").write_text(SPACE)
    (inside / "weights").mkdir()
    save_file(timm.create_model("test_resnet").state_dict(), "weights/test_resnet.safetensors")
    options = Options(space="mine.toml", folds=3, device="cpu", weights="weights")
    made = opening.begin(options)
    network = made.space.nearest({"freeze": "full"})[1]
    heads = made.space.nearest({"freeze": "head_only"})[1]
    StudyAttributes(start={"recipes": [heads, network]}).write(made.study)
    return made


def seconds(session, size):
    """GFLOP of a network of that size for three epochs, half the geometric mean of 2 and 18."""
    recipe = session.space.nearest({"freeze": "full", "training.image_size": size})[0]
    return flops.compute_cost(session.task())(recipe.with_epochs(3)).gflop


def chosen(session, left, pace=1.0):
    StudyAttributes(passes={"test_resnet 32px": pace, "test_resnet 64px": pace}).write(
        session.study
    )
    return worker_count.timely_workers(session, time.time() + left, 4)


def test_as_many_as_can_train_a_fair_size_in_time(session, heard):
    # A trial's seconds are half more than a pass's, and a tenth is spare.
    fair = 1.5 * 1.1 * seconds(session, 64)
    assert chosen(session, 4.1 * fair) == 4 and not heard.notes
    assert chosen(session, 3.9 * fair) == 3
    assert chosen(session, 1.1 * fair) == 1
    assert "1 worker with 4 threads instead of 4" in heard.notes[-1]


def test_where_no_fair_size_fits_as_many_as_can_train_any(session):
    small = 1.5 * 1.1 * seconds(session, 32)
    assert small < seconds(session, 64) / 2
    assert chosen(session, 1.5 * small) == 1
    # Heads alone train then, side by side.
    assert chosen(session, 0.5 * small) == 4


def test_without_a_deadline_nothing_is_held_back(session):
    assert worker_count.timely_workers(session, None, 4) == 4
    assert worker_count.timely_workers(session, time.time() + 1, 1) == 1
