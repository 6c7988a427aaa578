"""The networks of an exported model, from squares to what each member predicts."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from automask.errors import UserError
from automask.prediction.contents import Contents, Trunk
from automask.space import registry
from automask.storage.model_store import ModelStore
from automask.training.network import Network, build_head, in_batches

Views = Callable[[Tensor], Sequence[Tensor]]


class Networks(nn.Module):
    """The trunks of a model, each with the heads that read its features, in eval mode."""

    def __init__(self, contents: Contents, store: ModelStore) -> None:
        super().__init__()
        self.target, self.members = contents.answers.kind, contents.members
        self.inputs = [trunk.input for trunk in contents.trunks]
        tta = registry.get("tta", contents.view.name).function
        self.views: Views = functools.partial(tta, **contents.view.params)
        folds = defaultdict(list)
        for index, member in enumerate(contents.members):
            for number, fold in enumerate(member.folds):
                folds[fold.trunk].append((index, number, member.head, fold.head))
        #: By trunk, the member and the fold of each of its heads.
        self.owners = [[one[:2] for one in folds[t]] for t in range(len(contents.trunks))]
        attributes = contents.answers.attributes
        trunks, rows = list[nn.Module](), list[nn.Module]()
        for number, trunk in enumerate(contents.trunks):
            backbone: Any = _backbone(trunk, contents.inputs[trunk.input].size, store)
            heads = [
                _load(build_head(head.choice, backbone.D, attributes, 0, 0), store, name)
                for *_, head, name in folds[number]
            ]
            trunks.append(Network(backbone, nn.Identity()))
            rows.append(nn.ModuleList(heads))
        self.trunks, self.heads = nn.ModuleList(trunks), nn.ModuleList(rows)
        self.eval()

    def forward(self, squares: Sequence[Tensor]) -> Tensor:
        """`[T, n, C]` of T members, the mean over folds and views, from squares `[n, S, S, 3]` of 0 to
        255, as many tables as there are inputs."""
        return torch.stack([folds.mean(0) for folds in self.by_fold(squares)])

    def by_fold(self, squares: Sequence[Tensor]) -> list[Tensor]:
        """The same a fold, `[K, n, C]` for each member."""
        each: list[dict[int, Tensor]] = [{} for _ in self.members]
        rows: Any = self.heads
        for trunk, heads, source, owners in zip(
            self.trunks, rows, self.inputs, self.owners, strict=True
        ):
            images = squares[source].permute(0, 3, 1, 2).float()
            views = [trunk(view.permute(0, 2, 3, 1)) for view in self.views(images)]
            for head, (member, fold) in zip(heads, owners, strict=True):
                outputs = [self.target.activate(head(features).float()) for features in views]
                each[member][fold] = torch.stack(outputs).mean(0)
        return [torch.stack([folds[k] for k in sorted(folds)]) for folds in each]

    def predict(self, squares: Sequence[np.ndarray], device: torch.device) -> np.ndarray:
        """float32 `[T, n, C]` from uint8 `[n, S, S, 3]` an input, in batches that fit the memory."""

        return self._in_batches(self, squares, device).swapaxes(0, 1)

    def predict_folds(self, squares: Sequence[np.ndarray], device: torch.device) -> np.ndarray:
        """float32 `[T, K, n, C]`, the same a fold."""

        def run(tensors: Sequence[Tensor]) -> Tensor:
            return torch.stack(self.by_fold(tensors)).transpose(1, 2)

        return self._in_batches(run, squares, device).transpose(1, 2, 0, 3)

    def _in_batches(
        self,
        run: Callable[[Sequence[Tensor]], Tensor],
        squares: Sequence[np.ndarray],
        device: torch.device,
    ) -> np.ndarray:
        """What `run` gives, `[T, n, …]`, rows first."""

        def batch(rows: np.ndarray) -> Tensor:
            return run([torch.from_numpy(one[rows]).to(device) for one in squares]).transpose(0, 1)

        with torch.inference_mode():
            return in_batches(batch, np.arange(len(squares[0]))).numpy()


def _backbone(trunk: Trunk, size: int, store: ModelStore) -> nn.Module:
    function = registry.get("backbone", trunk.backbone.name).function
    module = function(size, False, **trunk.backbone.params)
    _load(module, store, trunk.weights)
    # Weights of the user's own folder may have been trained with others than the library's.
    module.mean, module.std = tuple(trunk.mean), tuple(trunk.std)
    backbone: nn.Module = module.to(memory_format=torch.channels_last)
    return backbone


def _load(module: nn.Module, store: ModelStore, name: str) -> nn.Module:
    from safetensors.torch import load_file

    file = store.weights(name)
    try:
        module.load_state_dict(load_file(file))
    except RuntimeError as error:
        raise UserError(
            f"{file}: isn't what the plugins here make: {str(error).splitlines()[-1].strip()}; use the "
            f"versions of {store.requirements}"
        ) from error
    return module


def missing_plugins(contents: Contents) -> list[str]:
    """The plugins that a model needs and that aren't here, and what has them."""
    sentences = {
        f"{kind} '{plugin.name}' of {plugin.origin}": None
        for kind, plugin in contents.plugin_names()
        if plugin.name not in registry.plugins(kind)
    }
    return list(sentences)
