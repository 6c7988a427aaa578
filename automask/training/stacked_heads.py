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
    row has: those of a row that two folds train on may differ.
    """

    def __init__(
        self,
        heads: list[list[nn.Module]],
        loss: Loss,
        targets: Tensor,
        target_of_row: Tensor,
        class_counts: Tensor,
        D: int,
        mixes: Sequence[Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]] = (),
    ) -> None:
        self.mixes = mixes
        self.heads, self.loss, self.counts = heads, loss, class_counts
        self.targets, self.target_of_row = targets, target_of_row
        self.folds = torch.arange(len(targets), device=targets.device)[:, None]
        self.by_row = _goes_by_row(loss, class_counts.shape[-1])
        self.joint = _stacked(heads[0][0], D)

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
            return _with(self.joint, parameters)(inputs)
        logits = [
            functional_call(head, {name: v[r, k] for name, v in parameters.items()}, (inputs[k],))
            for r, row in enumerate(self.heads)
            for k, head in enumerate(row)
        ]
        return torch.stack(logits).unflatten(0, (len(self.heads), -1))

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
        return torch.stack(means).unflatten(0, (len(logits), -1))


class _StackedLinear(nn.Module):
    """Linear layers `[recipes, folds]` at once, on `[folds, B, D]` or `[recipes, folds, B, D]`."""

    weight: Tensor
    bias: Tensor | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        if inputs.ndim == 3:
            # The recipes' weights side by side: one product a fold.
            weight = self.weight.transpose(0, 1).flatten(1, 2).mT
            out = torch.bmm(inputs, weight).unflatten(2, (len(self.weight), -1)).movedim(2, 0)
        else:
            out = inputs @ self.weight.mT
        return out if self.bias is None else out + self.bias[:, :, None]


def _stacked(head: nn.Module, D: int) -> nn.Module | None:
    """The head with stacked layers in place of its linear ones, if it then computes the same. Tried.

    None where something else has parameters or counts, or where a row isn't the last dimension alone.
    """
    joint = copy.deepcopy(head)
    for name, module in head.named_modules():
        if isinstance(module, nn.Linear):
            if not name:
                joint = _StackedLinear()
            else:
                joint.set_submodule(name, _StackedLinear())
    if list(joint.parameters()) or set(head.state_dict()) - {n for n, _ in head.named_parameters()}:
        return None
    device = next(head.parameters()).device
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(2, 5, D, generator=generator).to(device)
    alone = {name: p.detach() for name, p in head.named_parameters()}
    several = {name: torch.stack([p, -p]).expand(3, 2, *p.shape) for name, p in alone.items()}
    was_training = head.training
    try:
        out = _with(joint.eval(), several)(inputs)
        head.eval()
        wanted = [
            functional_call(head, {n: sign * p for n, p in alone.items()}, (inputs[i],))
            for i, sign in enumerate((1, -1))
        ]
    except (RuntimeError, IndexError, ValueError):
        return None
    finally:
        head.train(was_training)
    same = out.shape[:2] == (3, 2) and all(
        torch.allclose(out[r, k], wanted[k], atol=1e-5) for r in range(3) for k in range(2)
    )
    return joint.train() if same else None


def _with(joint: nn.Module, parameters: Mapping[str, Tensor]) -> nn.Module:
    """The stacked head with these parameters `[recipes, folds, ...]` in its layers."""
    for name, values in parameters.items():
        layer, _, kind = name.rpartition(".")
        setattr(joint.get_submodule(layer), kind, values)
    return joint


def _goes_by_row(loss: Loss, classes: int) -> bool:
    """Does the loss give each row a value of its own, also where batches are stacked? Tried."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, classes, generator=generator)
    target = torch.eye(classes)[torch.arange(8).view(2, 4) % classes]
    counts = torch.arange(1.0, 1 + 2 * classes).view(2, classes)
    alone = torch.stack([loss(logits[k], target[k], counts[k]) for k in range(2)])
    try:
        stacked = loss(logits, target, counts[:, None])
        shorter = loss(logits[:, :3], target[:, :3], counts[:, None])
    except (RuntimeError, IndexError, ValueError, TypeError):
        # It takes batches of no more than two dimensions.
        return False
    if stacked.shape != (2, 4) or alone.shape != (2, 4):
        return False
    return torch.allclose(stacked, alone) and torch.allclose(stacked[:, :3], shorter)
