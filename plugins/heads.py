"""Heads: from features to joint logits (`automask.space.protocols.HeadPlugin`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automask import Float, head

if TYPE_CHECKING:
    from torch import nn

    from automask.data.dataset import Attributes


@head(dropout=Float(0.0, 0.7), per_row=True)
def joint(D: int, attributes: Attributes, *, dropout: float = 0.0) -> nn.Module:
    """One linear layer for all combinations of the attributes.

    When to use: one attribute, or enough rows of each combination.
    """
    from torch import nn

    return nn.Sequential(nn.Dropout(dropout), nn.Linear(D, len(attributes.classes)))


@head(dropout=Float(0.0, 0.7), per_row=True)
def factored(D: int, attributes: Attributes, *, dropout: float = 0.0) -> nn.Module:
    """One linear layer an attribute; a combination's log-probability is the sum of its parts'.

    When to use: several attributes and rare combinations of them, which then learn from the
    combinations that share an attribute. With a single attribute it is `joint`.
    """
    import torch
    from torch import nn

    class Factored(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dropout = nn.Dropout(dropout)
            self.parts = nn.ModuleList(nn.Linear(D, len(values)) for values in attributes.values)
            self.classes: torch.Tensor
            self.register_buffer("classes", torch.as_tensor(attributes.classes), persistent=False)

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            features = self.dropout(features)
            log_p = [
                part(features).log_softmax(-1)[..., self.classes[:, index]]
                for index, part in enumerate(self.parts)
            ]
            # The combinations seen in train are kept and normalised.
            return torch.stack(log_p).sum(0).log_softmax(-1)

    return Factored()
