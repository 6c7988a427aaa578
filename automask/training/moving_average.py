"""The exponential moving average of a network's weights (EMA), which predicts in their place."""

from __future__ import annotations

from torch import nn


class MovingAverage:
    """An exponential moving average of a module; `module` holds it, or is the module itself at decay 0.

    The decay begins at 0 and rises with the steps to the one given (timm's ModelEmaV3 with warm-up), so
    that short trainings aren't averaged with their beginnings. What a batch norm counts is averaged too.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module, self.source, self.steps, self.average = module, module, 0, None
        if decay:
            from timm.utils.model_ema import ModelEmaV3

            self.average = ModelEmaV3(module, decay, use_warmup=True)
            self.module = self.average.module

    def step(self) -> None:
        """After each step of the optimizer."""
        if self.average is not None:
            self.steps += 1
            self.average.update(self.source, self.steps)
