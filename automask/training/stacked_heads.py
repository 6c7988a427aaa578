"""Several heads in one computation: their linear layers stacked, and the loss of all their batches."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from automask.training.batches import EpochRows, Table, read_rows
from automask.training.optim import Loss


class Stacked:
    """One backward pass for all heads, `[recipes, folds]`, each on its fold's batch.

    `targets` `[folds, T, C]` are all that there are, `target_of_row` `[folds, N]` says which of them a
    row has: those of a row that two folds train on may differ. `loss_per_row` and `head_per_row` are
    what the plugins declare.
    """

    def __init__(
        self,
        heads: list[list[nn.Module]],
        loss: Loss,
        targets: Tensor,
        target_of_row: Tensor,
        class_counts: Tensor,
        loss_per_row: bool,
        head_per_row: bool,
        mixes: Sequence[Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]] = (),
    ) -> None:
        self.mixes = mixes
        self.heads, self.loss, self.counts = heads, loss, class_counts
        self.targets, self.target_of_row = targets, target_of_row
        self.folds = torch.arange(len(targets), device=targets.device)[:, None]
        self.by_row = loss_per_row
        self.joint = _stack(heads[0][0]) if head_per_row else None

    def __call__(
        self,
        parameters: Mapping[str, Tensor],
        table: Table,
        rows: EpochRows,
        lengths: Tensor,
    ) -> Tensor:
        """The sums of the losses `[recipes, folds]`, detached, their gradients left in `parameters`.

        `parameters` are `[recipes, folds, ...]` by name, `rows` of the table `[folds, B]`; of each fold
        the first `lengths` rows count.
        """
        inputs = torch.from_numpy(read_rows(table, *rows)).to(self.targets.device)
        chosen = torch.from_numpy(rows.rows).to(self.targets.device)
        target = self.targets[self.folds, self.target_of_row.gather(1, chosen)]
        if self.mixes:
            self._mix(inputs, target, lengths)
        losses = self._losses(self._logits(parameters, inputs), target, lengths)
        losses.sum().backward()
        return losses.detach() * lengths

    def _mix(self, inputs: Tensor, target: Tensor, lengths: Tensor) -> None:
        """Mix each fold's batch by itself, in place, and fill it up again by repeating."""
        for k, (mix, n) in enumerate(zip(self.mixes, lengths.tolist(), strict=True)):
            if n:
                again = torch.arange(inputs.shape[1], device=inputs.device) % n
                own, aim = mix(inputs[k, :n], target[k, :n])
                inputs[k], target[k] = own[again], aim[again]

    def _logits(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """`[recipes, folds, B, C]` from `[folds, B, D]`."""
        if self.joint is not None:
            joint: Tensor = _with(self.joint, parameters)(inputs)
            return joint
        logits = [
            functional_call(head, {name: v[r, k] for name, v in parameters.items()}, (inputs[k],))
            for r, row in enumerate(self.heads)
            for k, head in enumerate(row)
        ]
        stack: Tensor = torch.stack(logits).unflatten(0, (len(self.heads), -1))
        return stack

    def _losses(self, logits: Tensor, target: Tensor, lengths: Tensor) -> Tensor:
        """`[recipes, folds]` the mean loss of each head's batch."""
        if self.by_row:
            losses = self.loss(logits, target, self.counts[:, None])
            own = torch.arange(logits.shape[2], device=logits.device) < lengths[:, None]
            return (losses * (own / lengths[:, None].clamp(min=1))).sum(2)
        means = [
            self.loss(row[k, :n], target[k, :n], self.counts[k]).mean() if n else 0 * row[k].sum()
            for row in logits
            for k, n in enumerate(lengths.tolist())
        ]
        stack: Tensor = torch.stack(means).unflatten(0, (len(logits), -1))
        return stack


class _StackedLinear(nn.Module):
    """Linear layers `[recipes, folds]` at once, on `[folds, B, D]` or `[recipes, folds, B, D]`."""

    weight: Tensor
    bias: Tensor | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        if inputs.ndim == 3:
            # The recipes' weights side by side: one product a fold.
            weight = self.weight.transpose(0, 1).flatten(1, 2).mT
            out: Tensor = (
                torch.bmm(inputs, weight).unflatten(2, (len(self.weight), -1)).movedim(2, 0)
            )
        else:
            out = inputs @ self.weight.mT
        return out if self.bias is None else out + self.bias[:, :, None]


def _stack(head: nn.Module) -> nn.Module | None:
    """The head with stacked layers in place of its linear ones; None where something else counts too."""
    joint = copy.deepcopy(head)
    for name, module in head.named_modules():
        if isinstance(module, nn.Linear):
            if not name:
                joint = _StackedLinear()
            else:
                joint.set_submodule(name, _StackedLinear())
    if list(joint.parameters()) or set(head.state_dict()) - {n for n, _ in head.named_parameters()}:
        return None
    return joint.train()


def _with(joint: nn.Module, parameters: Mapping[str, Tensor]) -> nn.Module:
    """The stacked head with these parameters `[recipes, folds, ...]` in its layers."""
    for name, values in parameters.items():
        layer, _, kind = name.rpartition(".")
        setattr(joint.get_submodule(layer), kind, values)
    return joint
