"""Where pretrained weights come from: a folder of the user's, the hubs' caches or the hubs."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automask.errors import UserError, did_you_mean
from automask.storage.text_file import read_text

if TYPE_CHECKING:
    from torch import nn


FACTS = ("num_classes", "input_size", "mean", "std")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint file in timm's own keys, and what is said of it beside it."""

    file: str
    facts: tuple[tuple[str, Any], ...] = ()
    digest: str = ""

    @property
    def input_size(self) -> int | None:
        """The edge in pixels of the images it was trained on, where that is known."""
        size = dict(self.facts).get("input_size")
        return int(size[-1]) if size else None

    def overlay(self) -> dict[str, Any]:
        """timm's `pretrained_cfg_overlay`."""
        return {"file": self.file, **dict(self.facts)}

    def check(self, module: nn.Module) -> None:
        """Raise `UserError` unless the file has every tensor of `module`, in its shape.

        timm itself takes any file and would leave what is missing at random. What batch norms count is
        no weight, and positions are fitted to the image size.
        """
        from safetensors import safe_open

        wanted = {
            name: list(tensor.shape)
            for name, tensor in module.state_dict().items()
            if not name.endswith("num_batches_tracked")
        }
        with safe_open(self.file, framework="pt") as file:
            shapes = {name: file.get_slice(name).get_shape() for name in list(file.keys())}
        missing = sorted(wanted.keys() - shapes.keys())
        other = [n for n in sorted(wanted.keys() & shapes.keys()) if wanted[n] != shapes[n]]
        other = [name for name in other if "pos" not in name]
        if missing or other:
            how, names = ("it lacks", missing) if missing else ("other shapes have", other)
            raise UserError(
                f"{self.file} doesn't fit timm's {Path(self.file).stem}: {how} {len(names)} of its "
                f"tensors, such as {names[0]}"
            )


def read_folder(folder: Path) -> dict[str, Checkpoint]:
    """The `<timm name>.safetensors` of a folder by name, with what `<timm name>.json` adds.

    Raises `UserError` for a missing folder, a folder without weights or an unreadable JSON file.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder of weights")
    checkpoints = {}
    for file in sorted(folder.glob("*.safetensors")):
        described = file.with_suffix(".json")
        try:
            facts = json.loads(read_text(described)) if described.exists() else {}
        except ValueError as error:
            raise UserError(f"{described}: isn't JSON: {error}") from error
        checkpoints[file.stem] = Checkpoint(
            str(file), _check_facts(facts, described), _digest(file)
        )
    if not checkpoints:
        raise UserError(f"{folder}: holds no <timm name>.safetensors")
    return checkpoints


def drop_unfit(checkpoints: Mapping[str, Checkpoint]) -> tuple[dict[str, Checkpoint], list[str]]:
    """The checkpoints that are of the timm models that they are named for, and why others aren't."""
    import timm
    import torch

    left, reasons = {}, []
    for name, checkpoint in checkpoints.items():
        try:
            if not timm.is_model(name):
                near = did_you_mean(name, timm.list_models())[:200]
                raise UserError(f"{checkpoint.file}: timm has no model '{name}'{near}")
            # Without memory: names and shapes are all that is asked.
            with torch.device("meta"):
                checkpoint.check(timm.create_model(name, num_classes=0))
            left[name] = checkpoint
        except UserError as error:
            reasons.append(str(error))
    return left, reasons


def describe_checkpoints(checkpoints: dict[str, Checkpoint]) -> str:
    """The files and the beginning of what identifies each, or the hubs where there are none."""
    return ", ".join(f"{name} {w.digest[:6]}" for name, w in checkpoints.items()) or "the hubs'"


def _check_facts(facts: Any, file: Path) -> tuple[tuple[str, Any], ...]:
    """What timm is to be told, in its own shapes; raises `UserError` for anything else."""
    if not isinstance(facts, dict):
        raise UserError(f"{file}: isn't a JSON object of {', '.join(FACTS)}")
    present = {key: facts[key] for key in FACTS if key in facts}
    for key, value in present.items():
        if key == "num_classes":
            right = isinstance(value, int)
        else:
            numbers = isinstance(value, list) and all(isinstance(n, int | float) for n in value)
            right = numbers and len(value) == 3
        if not right:
            wanted = "a whole number" if key == "num_classes" else "a list of three numbers"
            raise UserError(f"{file}: {key} is {value!r}, and must be {wanted}")
    return tuple((key, tuple(v) if isinstance(v, list) else v) for key, v in present.items())


def _digest(file: Path) -> str:
    """Identifies the content; raises `UserError` where it isn't a whole safetensors file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="np"):
            pass
    except (SafetensorError, OSError) as error:
        raise UserError(f"{file}: isn't a whole safetensors file: {error}") from error
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:16]


def reachable(models: Iterable[tuple[str, str]], timeout: float = 1.0) -> list[tuple[str, str]]:
    """Those of the (library, model) pairs whose weights are cached here or can be fetched.

    Decided without importing torch, within about `timeout` seconds: all where the hub answers, else
    those in the caches. Raises `UserError` with the ways out where none is left.
    """
    from huggingface_hub import constants

    models = list(models)
    if not models or not (silence := hub_silence(timeout)):
        return models
    cached = [pair for pair in models if _cached(*pair)]
    if cached:
        return cached
    tried = f"{silence}; nothing in {constants.HF_HUB_CACHE} or {torch_cache()}"
    names = ", ".join(model for _, model in models)
    raise UserError(
        f"no pretrained weights for {names}: {tried}.\n"
        "Ways out:\n"
        "  --weights DIR   a folder of <timm name>.safetensors files\n"
        "  fetch before    automask weights get, where there is internet; then bring the caches along\n"
        "  --space FILE    a space with pretrained = false under [training], to train from scratch"
    )


def hub_silence(timeout: float = 1.0) -> str:
    """Why the model hub can't be asked, told within about `timeout` seconds; empty where it answers."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "the hub is switched off by HF_HUB_OFFLINE"
    return "" if _answers(constants.ENDPOINT, timeout) else f"{constants.ENDPOINT} doesn't answer"


def _answers(url: str, timeout: float) -> bool:
    proxy = urllib.request.getproxies().get("https", "")
    parts = urllib.parse.urlsplit(proxy or url)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    answered = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection((parts.hostname or "", port), timeout).close()
            answered.set()
        except OSError:
            pass

    # A thread, since looking a name up has no time-out of its own.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(timeout)
    return answered.is_set()


def _cached(library: str, model: str) -> bool:
    if library == "torchvision":
        return any((torch_cache() / "checkpoints").glob(f"{model}-*.pth"))
    from huggingface_hub import constants, try_to_load_from_cache

    # A model named without a tag has timm's default one, which is unknown here: any will do.
    names = [
        folder.name.removeprefix("models--timm--")
        for folder in Path(constants.HF_HUB_CACHE).glob(f"models--timm--{model}*")
    ]
    return any(
        isinstance(try_to_load_from_cache(f"timm/{name}", "model.safetensors"), str)
        for name in names
        if f"{name}.".startswith(f"{model}.")
    )


def torch_cache() -> Path:
    """The folder in which torch's own hub keeps what it fetched."""
    return Path(os.environ.get("TORCH_HOME", Path.home() / ".cache" / "torch")) / "hub"
