"""automask: AutoML search for image classification.

What a plugin file imports stands here: the ranges and one decorator a kind.
"""

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
from automask.space.kinds import tta as tta
from automask.space.ranges import Categorical as Categorical
from automask.space.ranges import Float as Float
from automask.space.ranges import Int as Int
from automask.space.ranges import Text as Text
from automask.space.rules import never as never
