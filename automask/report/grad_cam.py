"""Where a network looked: Grad-CAM (Selvaraju et al., 2017), by captum."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from automask.data.dataset import fold_count
from automask.ensembles.members import explain_other_weights, is_head_alone, rebuild_network
from automask.hpo.attributes import recipe_of
from automask.hpo.trials import complete_trials
from automask.report.pictures import paint
from automask.space.recipe import Recipe
from automask.storage.trial_store import TrialStore
from automask.study.session import Session

if TYPE_CHECKING:
    import torch
    from torch import nn

    from automask.target import Target
    from automask.training.network import Network


@dataclass(frozen=True)
class Look:
    """One train row by the network of the fold that never saw it.

    `pixels` are what the network was given, uint8 `[S, S, 3]`; `heat` `[S, S]` is from 0 to 1, all 0
    where nothing spoke for what is predicted; `answer` says that, and `probability` is the class's
    where there is one.
    """

    row: int
    pixels: np.ndarray
    heat: np.ndarray
    answer: str
    probability: float | None


@dataclass(frozen=True)
class Looks:
    """What one trial's networks looked at, and the layer whose map tells it."""

    trial: int
    recipe: Recipe
    layer: str
    rows: tuple[Look, ...]


def look_at(session: Session, rows: np.ndarray) -> Looks | str:
    """Maps of the given train rows by the best trial whose weights are kept, or why there are none."""
    if find_spec("captum") is None:
        return "captum isn't installed: pip install 'automask[report]'"
    count = fold_count(session.folds)
    for trial in complete_trials(session.study):
        recipe = recipe_of(trial)
        store = session.store.trial(recipe.hash)
        if store.has_weights(count):
            return _look(session, trial.number, recipe, store, rows)
    return "no trial's weights are kept, as --disk left no room for them"


def _look(
    session: Session, number: int, recipe: Recipe, store: TrialStore, rows: np.ndarray
) -> Looks | str:
    import torch
    from safetensors.torch import load_file

    task, target = session.task(), session.data.target
    looks: dict[int, Look] = {}
    layer = ""
    for fold in np.unique(session.folds[rows]).tolist():
        state = load_file(store.weights(fold))
        if is_head_alone(state) and (why := explain_other_weights(session)):
            return why
        network = rebuild_network(task, recipe, state, fold).eval()
        own = rows[session.folds[rows] == fold]
        pixels = np.ascontiguousarray(task.pixels(recipe, fold)[own])
        images = torch.from_numpy(pixels).to(task.device, torch.float32)
        layer = spatial_layer(network, images[:1])
        if not layer:
            return (
                f"{recipe.describe()}, the best trial with weights, ends in no map with places: a "
                "transformer's tokens have none that Grad-CAM could colour"
            )
        heat, prediction = grad_cam(network, layer, images, target)
        answers = target.decide(prediction)
        for index, row in enumerate(own.tolist()):
            sure = float(prediction[index].max()) if target.exclusive else None
            answer = session.data.describe_answer(answers[index])
            looks[row] = Look(row, pixels[index], heat[index], answer, sure)
    return Looks(number, recipe, layer, tuple(looks[row] for row in rows.tolist()))


def spatial_layer(network: Network, images: torch.Tensor) -> str:
    """The name of the last module that gives a map `[B, C, H, W]` with places; empty without one.

    Where sequences of tokens come after the last such map, that is a patch embedding, which is no
    answer.
    """
    import torch

    name = ""

    def watch(module_name: str) -> object:
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            nonlocal name
            if not isinstance(output, torch.Tensor):
                return
            if output.ndim == 4 and output.shape[2] == output.shape[3] > 1:
                name = module_name
            elif output.ndim == 3 and output.shape[1] > 1:
                name = ""

        return hook

    modules = network.backbone.named_modules(prefix="backbone")
    hooks = [module.register_forward_hook(watch(name)) for name, module in modules]
    try:
        with torch.no_grad():
            network(images)
    finally:
        for hook in hooks:
            hook.remove()
    return name


def grad_cam(
    network: Network, layer: str, images: torch.Tensor, target: Target
) -> tuple[np.ndarray, np.ndarray]:
    """For each image what spoke for its likeliest class or label (of a number, for a larger one),
    float32 `[B, S, S]` from 0 to 1, and the predictions `[B, C]`."""
    import torch
    from captum.attr import LayerAttribution, LayerGradCam

    with torch.no_grad():
        prediction = target.activate(network(images).float())
    cam = LayerGradCam(network, network.get_submodule(layer))
    maps = cam.attribute(images, target=prediction.argmax(1), relu_attributions=True).detach()
    maps = LayerAttribution.interpolate(maps, images.shape[1:3], "bilinear")[:, 0]
    highest = maps.amax((1, 2), keepdim=True)
    heat = torch.where(highest > 0, maps / highest.clamp_min(1e-12), torch.zeros_like(maps))
    return heat.float().cpu().numpy(), prediction.cpu().numpy()


def painted(look: Look, edge: int) -> np.ndarray:
    """The picture in grey with its heat in colour, uint8 `[edge, edge, 3]`."""
    import cv2

    pixels = cv2.resize(look.pixels, (edge, edge), interpolation=cv2.INTER_CUBIC)
    return paint(pixels, look.heat)
