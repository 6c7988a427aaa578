"""The state of a training in the middle: nested values with tensors, in one file without pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from automask.storage.files import atomic_write

if TYPE_CHECKING:
    from torch import Tensor

#: The name under which a file's metadata has what isn't a tensor.
REST = "state"


def save(file: Path, state: Any) -> None:
    """Write dictionaries, lists and tuples of tensors, numbers, texts and None.

    Raises `TypeError` where something else is in them.
    """
    from safetensors.torch import save as to_bytes

    tensors: dict[str, Tensor] = {}
    rest = json.dumps(_pack(state, tensors))
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(file) as beside:
        beside.write_bytes(to_bytes(tensors, {REST: rest}))


def load(file: Path) -> Any:
    """What `save` wrote; None where there is no such file, or one that can't be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "pt") as opened:
            rest = (opened.metadata() or {}).get(REST)
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        return _unpack(json.loads(rest or ""), tensors)
    except (OSError, ValueError, KeyError, SafetensorError):
        return None


def _pack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """The value as JSON can have it, its tensors put aside."""
    import torch

    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        # A copy: safetensors takes neither views of one storage nor another memory format, by which
        # optimizers choose how they compute.
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        last = value.dim() == 4 and not value.is_contiguous()
        last = last and value.is_contiguous(memory_format=torch.channels_last)
        return {"channels_last" if last else "tensor": name}
    if isinstance(value, dict):
        return {"dict": [[_pack(k, tensors), _pack(v, tensors)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_pack(one, tensors) for one in value]}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a {type(value).__name__} can't be kept in a checkpoint")


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    import torch

    ((kind, content),) = value.items()
    match kind:
        case "tensor":
            return tensors[content]
        case "channels_last":
            return tensors[content].contiguous(memory_format=torch.channels_last)
        case "dict":
            return {_unpack(k, tensors): _unpack(v, tensors) for k, v in content}
        case "list":
            return [_unpack(one, tensors) for one in content]
        case "tuple":
            return tuple(_unpack(one, tensors) for one in content)
    raise ValueError(f"unknown kind '{kind}' in a checkpoint")
