"""Searches whose trainings take no time, and what they leave in a study."""

import math
import time

from automask.hpo.limits import Limits
from automask.hpo.progress import Step
from automask.hpo.searcher import Searcher
from automask.hpo.trials import finished_trials

FOLDS = 3

#: A program that holds the lock that it is given, as another worker would.
HOLD = """
import sys, time
from filelock import FileLock
lock = FileLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
time.sleep(60)
"""


def pretend(recipe, report, ends=math.inf):
    """A training in no time: the score is the recipe's own, by its hash."""
    value = int(recipe.hash, 16) / 16**12
    for fold in range(FOLDS):
        report(Step(fold, 1, 1, 0.0, value, final=True))
    return value


def searcher(study, trials, train=pretend):
    """A searcher of so many trials."""
    return Searcher(study.study, study.space, study.store, Limits(trials), train)


def states(study):
    return [t.state.name for t in study.study.get_trials(deepcopy=False)]


def recipes(study):
    return [t.user_attrs["hash"] for t in finished_trials(study.study)]


#: A space of four recipes.
TINY = """
[training]
pretrained = false
image_size = 32
epochs = 1
warmup_epochs = 0
batch_size = [8, 16]

[backbone.timm]
model = "test_resnet"
drop_rate = 0.0
drop_path_rate = 0.0

[head.joint]
dropout = [0.0, 0.5]

[loss.cross_entropy]
weight_power = 0.0

[optimizer.adamw]
lr = 0.001
head_lr_ratio = 1.0
weight_decay = 0.01
layer_decay = 1.0

[scheduler.StepLR]
drops = 1
gamma = 0.1

[augmentation.none]
"""


def wait_for(condition, seconds=120):
    """Return once the condition holds."""
    end = time.time() + seconds
    while time.time() < end:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("waited in vain")
