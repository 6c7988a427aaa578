"""automask: AutoML search for image classification.

From Python, a function a command; each says in its docstring what it takes and returns::

    study = automask.search("photos", timeout="2h")
    study.ensemble().submission.to_csv("submission.csv", index=False)

For plugin files, the ranges, one decorator a kind, and what plugins take and return.
What needs numpy, torch or pandas is imported when it is asked for.
"""

from typing import TYPE_CHECKING, Any

from automask.space.kinds import augmentation as augmentation
from automask.space.kinds import backbone as backbone
from automask.space.kinds import ensemble as ensemble
from automask.space.kinds import freeze as freeze
from automask.space.kinds import head as head
from automask.space.kinds import labelling as labelling
from automask.space.kinds import loss as loss
from automask.space.kinds import metric as metric
from automask.space.kinds import mix as mix
from automask.space.kinds import optimizer as optimizer
from automask.space.kinds import preprocessing as preprocessing
from automask.space.kinds import reader as reader
from automask.space.kinds import resize as resize
from automask.space.kinds import sampling as sampling
from automask.space.kinds import scheduler as scheduler
from automask.space.kinds import split as split
from automask.space.kinds import tracker as tracker
from automask.space.kinds import tta as tta
from automask.space.plugin_api import PLUGIN_API as PLUGIN_API
from automask.space.ranges import Categorical as Categorical
from automask.space.ranges import Float as Float
from automask.space.ranges import Int as Int
from automask.space.ranges import Text as Text
from automask.space.rules import never as never

if TYPE_CHECKING:
    from automask.api.data import advise as advise
    from automask.api.data import audit as audit
    from automask.api.data import init as init
    from automask.api.demo import demo as demo
    from automask.api.distillation import distill as distill
    from automask.api.doctor import doctor as doctor
    from automask.api.doctor import licences as licences
    from automask.api.dry_run import dry_run as dry_run
    from automask.api.labels import relabel as relabel
    from automask.api.labels import suspects as suspects
    from automask.api.looks import look as look
    from automask.api.models import Model as Model
    from automask.api.models import export as export
    from automask.api.models import load_model as load_model
    from automask.api.models import predict as predict
    from automask.api.plugins import check_plugins as check_plugins
    from automask.api.plugins import list_plugins as list_plugins
    from automask.api.plugins import new_plugin as new_plugin
    from automask.api.plugins import show_plugin as show_plugin
    from automask.api.recipes import train as train
    from automask.api.searches import search as search
    from automask.api.studies import Study as Study
    from automask.api.studies import load as load
    from automask.api.submissions import compare as compare
    from automask.api.submissions import merge as merge
    from automask.api.submissions import record as record
    from automask.api.submissions import submissions as submissions
    from automask.api.submissions import submit as submit
    from automask.api.submissions import vote as vote
    from automask.api.trying import try_plugin as try_plugin
    from automask.api.weights import check_weights as check_weights
    from automask.api.weights import get_weights as get_weights
    from automask.api.weights import list_weights as list_weights
    from automask.data.tables import Numeric as Numeric
    from automask.data.tables import Rows as Rows
    from automask.data.tables import Tables as Tables
    from automask.errors import UserError as UserError
    from automask.errors import did_you_mean as did_you_mean
    from automask.listener import Listener as Listener
    from automask.listener import listening as listening
    from automask.training.network import Backbone as Backbone
    from automask.training.network import ParameterName as ParameterName
    from automask.training.pretrained import Checkpoint as Checkpoint

#: Where each name is that is imported when it is asked for.
_LAZY = {
    **dict.fromkeys(("advise", "audit", "init"), "automask.api.data"),
    "demo": "automask.api.demo",
    "distill": "automask.api.distillation",
    **dict.fromkeys(("doctor", "licences"), "automask.api.doctor"),
    "dry_run": "automask.api.dry_run",
    **dict.fromkeys(("relabel", "suspects"), "automask.api.labels"),
    "look": "automask.api.looks",
    **dict.fromkeys(("Model", "export", "load_model", "predict"), "automask.api.models"),
    **dict.fromkeys(
        ("check_plugins", "list_plugins", "new_plugin", "show_plugin"), "automask.api.plugins"
    ),
    "train": "automask.api.recipes",
    "search": "automask.api.searches",
    **dict.fromkeys(("Study", "load"), "automask.api.studies"),
    **dict.fromkeys(
        ("compare", "merge", "record", "submissions", "submit", "vote"), "automask.api.submissions"
    ),
    **dict.fromkeys(("check_weights", "get_weights", "list_weights"), "automask.api.weights"),
    "try_plugin": "automask.api.trying",
    **dict.fromkeys(("Numeric", "Rows", "Tables"), "automask.data.tables"),
    **dict.fromkeys(("UserError", "did_you_mean"), "automask.errors"),
    **dict.fromkeys(("Listener", "listening"), "automask.listener"),
    **dict.fromkeys(("Backbone", "ParameterName"), "automask.training.network"),
    "Checkpoint": "automask.training.pretrained",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _LAZY:
        raise AttributeError(f"module 'automask' has no attribute '{name}'")
    value = globals()[name] = getattr(import_module(_LAZY[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
