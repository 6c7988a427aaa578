"""What a plugin of each kind takes, gives and promises: a protocol a kind.

A plugin is a function whose positional parameters are named as the protocol's; hyperparameters follow
after a ``*``, each with a default. Where a docstring names an ability, such as `per_row`, a plugin
declares it in its decorator, ``@loss(per_row=True)``; one that says nothing is taken for the cautious
answer. What is promised here `automask plugins check` tries out.

N and M count rows, n and B those of a part and of a batch, C classes, S and size edges in pixels.

`target`, an ability of all kinds that see labels, names what they work with: "single" (where nothing is
said: a class a row, grades too), "ordered" (grades alone), "multi" (any number of labels a row),
"number", several of these in a tuple, or "any". Labels of rows are whole numbers `[N]`, for "multi" 0
and 1 `[N, C]`, for "number" floats `[N]`; predictions are `[N, C]`, C being 1 for a number
(`automask.target`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from torch import Tensor, nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from automask.data.labels import Attributes
    from automask.data.preprocessing import TrainingPart
    from automask.data.tables import Tables
    from automask.training.network import ParameterName
    from automask.training.pretrained import Checkpoint


class ReaderPlugin(Protocol):
    """How a data folder becomes the tables of train, test and the sample submission.

    None where the folder isn't of the reader's kind. Raises `UserError` where it is, but something
    in it must be mended. Label text stays as it is ("01" stays "01").
    """

    def __call__(self, folder: Path) -> Tables | None: ...


class SplitPlugin(Protocol):
    """The fold of each row, int `[N]` from 0 to `folds` - 1, each of which has rows.

    `labels` are classes `[N]`, for "multi" label sets `[N, C]`, and for "number" the bands `[N]` that
    the numbers lie in, from 0; rows of one of the `groups` `[N]`, where there are any, are never on
    two sides. The same `seed` gives the same folds.
    """

    def __call__(
        self, labels: np.ndarray, groups: np.ndarray | None, folds: int, seed: int
    ) -> np.ndarray: ...


class BackbonePlugin(Protocol):
    """A module from images `[B, 3, S, S]`, of `image_size` pixels, to features `[B, D]`.

    `pretrained` is False, True (the library's own weights) or a file, an
    `automask.training.pretrained.Checkpoint`. The module carries `D`, `stages` (tuples of parameter
    names from the stem up, every parameter once), `mean` and `std` (a value a channel), as an
    `automask.training.network.Backbone` does.

    `drop_rate` and `drop_path_rate`, by these names, act in training alone: trials whose backbone
    stays as it is share cached features across them.
    """

    def __call__(self, image_size: int, pretrained: bool | Checkpoint) -> nn.Module: ...


class HeadPlugin(Protocol):
    """A module from features `[B, D]` to joint logits `[B, C]`.

    The C classes, `len(attributes.classes)`, are the combinations of the attributes' values that occur
    in train; for "ordered" the grades from the lowest up, for "multi" the labels, each with a logit of
    its own, and for "number" there is one output, the number in standard deviations from the mean.

    `per_row`, True or False (where nothing is said): it computes along the last dimension alone, so
    that features of any other dimensions before it give the same. Heads of several folds whose
    parameters are all those of linear layers are then computed at once.
    """

    def __call__(self, D: int, attributes: Attributes) -> nn.Module: ...


class FreezePlugin(Protocol):
    """The names of the parameters that train now, at least one.

    `stages` are tuples of parameter names from the stem to the head, the head being the last one; a
    name's `norm` says whether a normalisation layer holds it. `progress` runs from 0 at the first epoch
    towards 1. It must be pure: it is asked beforehand, an epoch each, and where only the head trains,
    training reads cached features. `adapt`, a function ``(backbone, image_size, *, …)`` or None (where
    nothing is said), gives a backbone further parameters, whose names have `adapter`, and changes no
    feature; it returns what merges them, in it or in a copy, or raises `UserError`.
    """

    def __call__(
        self, stages: Sequence[Sequence[ParameterName]], progress: float
    ) -> Collection[str]: ...


class LossPlugin(Protocol):
    """The loss of each row, `[B]`, or a scalar where it exists for a batch alone.

    `logits` and `target` are `[B, C]`, the target in probabilities, so that smoothing and mixing
    combine with every loss. `class_counts` `[C]` are those of the training part; a count can be 0.
    Logits may be log-probabilities already (the head `factored` gives such), so that a loss asks
    only what adding a constant to a row doesn't change: its softmax. Its gradient is finite, and so
    is it where logits are large.

    For "multi" the target is a probability each label, the logits are those of sigmoids, and the counts
    are the rows that have a label. For "number" both are `[B, 1]` in standard deviations from the mean,
    and the count is that of the rows.

    `per_row`, True or False (where nothing is said): it gives each row the same value so as by
    itself, and reduces nothing but the last dimension. The batches of several folds then come at
    once, logits `[folds, B, C]` with counts `[folds, 1, C]`; any other loss is called fold by fold.

    A batch computed in parts (`accumulation`) has the gradient that it has as a whole where a loss
    gives a value a row. One that exists only for a batch sees each part by itself, and the mean of
    the parts' losses is what trains. So does batch norm, with every loss: it normalises a part by
    that part's mean and deviation, so that a network with it learns as from batches of the part's
    size.
    """

    def __call__(self, logits: Tensor, target: Tensor, class_counts: Tensor) -> Tensor: ...


class OptimizerPlugin(Protocol):
    """A torch optimizer of all parameters; which of them train is decided later, an epoch each.

    A group is a dict of `params` with `stage` (how deep they lie, from 0 at the stem to the head,
    which is the last), `head` (are they the head's?) and `decay` (False for norms and biases, which
    no weight decay should shrink).

    `elementwise`, True or False (where nothing is said): each number of a head moves by its own
    gradients alone, as in Adam, and not by the length of a whole matrix's, as in LAMB. The heads of
    several folds, stacked, then share an optimizer.
    """

    def __call__(self, parameter_groups: list[dict[str, Any]]) -> Optimizer: ...


class SchedulerPlugin(Protocol):
    """A torch scheduler, whose learning rates are finite and never below 0.

    It is stepped after each optimizer step, of which there are about `steps_per_epoch` * `epochs`,
    and `ReduceLROnPlateau` once an epoch with the training loss. Warm-up is training's own:
    `epochs` are those that remain after it, and it ends at the learning rate that the scheduler
    begins with.
    """

    def __call__(self, optimizer: Optimizer, steps_per_epoch: int, epochs: int) -> LRScheduler: ...


class LabellingPlugin(Protocol):
    """The class of each row in training, int `[n]`, -1 to leave it out.

    It speaks of a target that is a number, such as an age, whose classes are the bands between the
    ascending `limits` `[L]`: 0 below the first, L from the last on. Rows are scored by the true
    limits, whatever they were trained by. `values` `[n]` are those of a fold's training part.
    """

    def __call__(self, values: np.ndarray, limits: np.ndarray) -> np.ndarray: ...


class SamplingPlugin(Protocol):
    """The rows of one epoch: their indices, or (indices, partners, weights), each of the same
    length.

    `labels` `[n]`, for "multi" `[n, C]`, are those of a fold's training part, and the indices point
    into it. With partners, of the same class or labels each, row i is
    ``(1 - weights[i]) * inputs[indices[i]] + weights[i] * inputs[partners[i]]``, weights from 0 to 1:
    of features where those are cached, of uint8 pixels before augmentation elsewhere. All chance
    comes from `rng`.

    `reads_features`, True (where nothing is said) or False: it may call `features`, which gives
    `[n, D]`, computed then. What a trial costs is guessed without: as if its epochs were of n rows.
    """

    def __call__(
        self, labels: np.ndarray, features: Callable[[], np.ndarray], rng: np.random.Generator
    ) -> np.ndarray | tuple[np.ndarray, ...]: ...


@runtime_checkable
class ImageTransform(Protocol):
    """An augmentation of one uint8 image `[H, W, 3]` at a time, as albumentations makes them."""

    def set_random_seed(self, seed: int) -> None: ...

    def __call__(self, *, image: np.ndarray) -> dict[str, Any]: ...


class BatchTransform(Protocol):
    """An augmentation of a uint8 batch `[B, 3, S, S]`, on the device, as torchvision's v2 are.

    Each image has draws of its own, which torch.manual_seed decides.
    """

    def __call__(self, images: Tensor, /) -> Tensor: ...


class AugmentationPlugin(Protocol):
    """A transform of uint8 images that keeps their shape and type, or None for no change.

    Its type says what it works on: one that has `set_random_seed` is called with one image,
    ``transform( image=...)["image"]``, any other with a whole batch `[B, 3, S, S]`.

    A hyperparameter `flip`, by this name, is searched where mirrored images keep their class.
    """

    def __call__(self, image_size: int) -> ImageTransform | BatchTransform | None: ...


class MixPlugin(Protocol):
    """Inputs and targets of a whole batch, mixed, before it is split up.

    `inputs` are uint8 pixels `[B, 3, S, S]` after augmentation or, where features are cached, float
    features `[B, D]`; `target` `[B, C]` is what the loss gets (`LossPlugin`). Both are left as they
    are: what comes back is new, pixels as uint8 or as floats from 0 to 255, targets as weighted means of
    those given, so that those of "single" go on summing to 1. All chance comes from `rng`.

    `takes`, "both" (where nothing is said) or "pixels": one that takes pixels is never given
    features. It gets pixels also while only the head trains, and isn't had with a freeze that
    trains nothing else.
    """

    def __call__(
        self, inputs: Tensor, target: Tensor, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]: ...


class PreprocessingPlugin(Protocol):
    """A transform of every image before it is resized and kept, or None.

    `rows` is a fold's training part, read when it is asked: `rows.images(most)` gives decoded
    images, uint8 `[H, W, 3]`, and `rows.boxes` `[n, 4]` left, top, right and bottom as shares of
    width and height, or None. A transform is a frozen dataclass whose fields JSON can hold; called
    with a uint8 image `[H, W, 3]`, which it leaves as it is, it gives another, `[h, w, 3]`.

    `fitted`, True (where nothing is said) or False: it may look at `rows`, and is fitted to every
    fold anew, where another is made once for all.
    """

    def __call__(self, rows: TrainingPart) -> Callable[[np.ndarray], np.ndarray] | None: ...


class ResizePlugin(Protocol):
    """A uint8 image of any shape `[H, W, 3]` as a square, uint8 `[size, size, 3]`."""

    def __call__(self, image: np.ndarray, size: int) -> np.ndarray: ...


class MetricPlugin(Protocol):
    """A score, finite also for a single row; higher is better.

    `target` `[N]` holds class indices, `probability` is `[N, C]`. A mean over classes is over those
    that occur in `target`. For "multi" `target` is `[N, C]` of 0 and 1, and a label is said where its
    probability is above a half. For "number" `target` `[N]` are floats and `probability` `[N, 1]` are
    the predicted numbers.
    """

    def __call__(self, target: np.ndarray, probability: np.ndarray) -> float: ...


class EnsemblePlugin(Protocol):
    """A blend of members: ``blend([T, M, C]) -> [M, C]``, on any rows, predictions as the members' are.

    Those of "single" sum to 1 a row, those of "multi" lie from 0 to 1, a label being said above a half.
    `probability` `[T, N, C]` are the members' of rows whose labels `target` tells, and `metric` is to be
    raised (`MetricPlugin`). Where the blend is a weighted mean it has `weights` `[T]`. All chance comes
    from `rng`. Abilities: `answers_only=True` for a blend that reads nothing but the members' answers,
    so that what it gives is no probability.
    """

    def __call__(
        self,
        probability: np.ndarray,
        target: np.ndarray,
        metric: Callable[[np.ndarray, np.ndarray], float],
        rng: np.random.Generator,
    ) -> Callable[[np.ndarray], np.ndarray]: ...


class TtaPlugin(Protocol):
    """The views of a batch, over whose probabilities a prediction is the mean; at least one.

    `images` are floats `[B, 3, S, S]` of 0 to 255, left as they are, and so is each view, so that
    backbones of a fixed size take them too. The same images give the same views.

    `mirrors`, True (where nothing is said) or False: a view may turn left and right round, so that
    it is tried only where mirrored images keep their class.
    """

    def __call__(self, images: Tensor) -> Sequence[Tensor]: ...
