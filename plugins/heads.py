"""Heads: from features to joint logits (`automask.space.protocols.HeadPlugin`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automask import Float, head

if TYPE_CHECKING:
    from torch import nn

    from automask.data.labels import Attributes


@head(dropout=Float(0.0, 0.7), per_row=True, target="any")
def joint(D: int, attributes: Attributes, *, dropout: float = 0.0) -> nn.Module:
    """One linear layer for all combinations of the attributes, all labels, or the number.

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


@head(dropout=Float(0.0, 0.7), per_row=True, target="ordered")
def cumulative(D: int, attributes: Attributes, *, dropout: float = 0.0) -> nn.Module:
    """One score a row, and thresholds in order between the grades (proportional odds; McCullagh, 1980).

    A grade's chance not to be exceeded is the sigmoid of its threshold minus the score. Gives
    log-probabilities.
    When to use: grades of which each is more of the same; fewer weights than a score a grade has.
    """
    import torch
    from torch import nn
    from torch.nn.functional import logsigmoid, pad, softplus

    class Cumulative(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dropout, self.score = nn.Dropout(dropout), nn.Linear(D, 1)
            grades = len(attributes.classes)
            # At a score of 0 all grades are alike.
            even = torch.logit(torch.arange(1, grades) / grades)
            self.thresholds = nn.Parameter(torch.cat([even[:1], even.diff().expm1().log()]))

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            first, gaps = self.thresholds[:1], self.thresholds[1:]
            lead = torch.cat([first, softplus(gaps)]).cumsum(0) - self.score(self.dropout(features))
            # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), whose last factor is
            # the sigmoid of the gap before softplus.
            below, above = pad(logsigmoid(lead), (0, 1)), pad(logsigmoid(-lead), (1, 0))
            return below + above + pad(logsigmoid(gaps), (1, 1))

    return Cumulative()


@head(dropout=Float(0.0, 0.7), per_row=True, target="ordered")
def regression(D: int, attributes: Attributes, *, dropout: float = 0.0) -> nn.Module:
    """One number a row, by how near it comes to each grade: a normal density around it.

    The first grade lies at 0, the next at 1; how wide the density is is learnt with the rest.
    When to use: grades that were cut from something measured, equally far apart.
    """
    import torch
    from torch import nn

    class Regression(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dropout, self.grade = nn.Dropout(dropout), nn.Linear(D, 1)
            self.log_width = nn.Parameter(torch.zeros(1))
            self.grades: torch.Tensor
            grades = torch.arange(float(len(attributes.classes)))
            self.register_buffer("grades", grades, persistent=False)
            nn.init.constant_(self.grade.bias, float(grades.mean()))

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            away = (self.grade(self.dropout(features)) - self.grades) / self.log_width.exp()
            return -away.square() / 2

    return Regression()
