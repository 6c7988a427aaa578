"""Pretrained weights looked over before a search: which are here, their sizes and licences, and the
others fetched."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from automask.listener import progress
from automask.storage.text_file import read_text
from automask.training.pretrained import Checkpoint, drop_unfit, hub_silence, torch_cache

NOT_KNOWN, NOT_STATED = "not known offline", "not stated"


@dataclass(frozen=True)
class ModelWeights:
    """Weights of a library's model.

    `place` is folder, cache or, where they would have to be fetched, hub; `source` names them there.
    `size` is in bytes, None where nobody could be asked. `licence` is what their publisher states.
    """

    library: str
    model: str
    place: str
    source: str
    size: int | None
    licence: str

    @property
    def is_here(self) -> bool:
        return self.place != "hub"


def survey_folder(checkpoints: Mapping[str, Checkpoint]) -> list[ModelWeights]:
    """The weights of a folder, with the ``license`` that the JSON file beside each states, if any."""
    return [
        ModelWeights(
            "timm", name, "folder", one.file, Path(one.file).stat().st_size, _noted_licence(one)
        )
        for name, one in checkpoints.items()
    ]


def _noted_licence(checkpoint: Checkpoint) -> str:
    file = Path(checkpoint.file).with_suffix(".json")
    stated = json.loads(read_text(file)).get("license") if file.exists() else None
    return str(stated or NOT_STATED)


def survey_hub(models: Iterable[tuple[str, str]]) -> tuple[list[ModelWeights], str]:
    """The weights of (library, model) pairs that a search would take where no folder is given, and why
    the hub couldn't be asked of them, empty where it answered.

    A library other than timm and torchvision is a plugin of the user's, which nothing is known of.
    """
    models = list(models)
    silence = hub_silence() if any(library == "timm" for library, _ in models) else ""
    surveyors = {"timm": _of_timm, "torchvision": _of_torchvision}
    listed = []
    for done, (library, model) in enumerate(models, 1):
        if surveyor := surveyors.get(library):
            listed.append(surveyor(model, bool(silence)))
        progress("asking for weights", done, len(models))
    return listed, silence


def _of_timm(model: str, silent: bool) -> ModelWeights:
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg(model)
    licence = (config.license if config else None) or (NOT_KNOWN if silent else NOT_STATED)
    if config is None or not (config.hf_hub_id or config.url):
        return ModelWeights("timm", model, "hub", "timm has no weights of it", None, licence)
    if not config.hf_hub_id:
        return _of_address("timm", model, str(config.url), None, licence)
    repository, _, revision = config.hf_hub_id.partition("@")
    wanted = config.hf_hub_filename
    files = [wanted] if wanted else ["model.safetensors", "pytorch_model.bin"]
    one = ModelWeights("timm", model, "hub", repository, None, licence)
    if file := _in_hub_cache(repository, files, revision or None):
        one = replace(one, place="cache", source=str(file), size=file.stat().st_size)
    return one if silent else _asked(one, repository, files, revision or None)


def _in_hub_cache(repository: str, files: Iterable[str], revision: str | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    places = (try_to_load_from_cache(repository, name, revision=revision) for name in files)
    return next((Path(place) for place in places if isinstance(place, str)), None)


def _asked(
    one: ModelWeights, repository: str, files: list[str], revision: str | None
) -> ModelWeights:
    """The same with what the hub states, which is asked; as it is where that doesn't answer."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        facts = HfApi().model_info(repository, revision=revision, files_metadata=True, timeout=10)
    except (HfHubHTTPError, OSError, ValueError):
        return one
    sizes = {sibling.rfilename: sibling.size for sibling in facts.siblings or ()}
    size = next((sizes[name] for name in files if name in sizes), None)
    licence = getattr(facts.card_data, "license", None) or one.licence
    return replace(one, size=one.size if one.size is not None else size, licence=str(licence))


def _of_torchvision(model: str, silent: bool) -> ModelWeights:
    from torchvision import models

    weights = models.get_model_weights(model)
    chosen = getattr(weights, "DEFAULT", None)
    if chosen is None:
        lacking = "torchvision has no weights of it"
        return ModelWeights("torchvision", model, "hub", lacking, None, NOT_STATED)
    megabytes = chosen.meta.get("_file_size")
    size = None if megabytes is None else round(megabytes * 2**20)
    return _of_address("torchvision", model, chosen.url, size, NOT_STATED)


def _of_address(library: str, model: str, url: str, size: int | None, licence: str) -> ModelWeights:
    """Weights that torch's own hub fetches from an address."""
    file = torch_cache() / "checkpoints" / Path(urlsplit(url).path).name
    if file.is_file():
        return ModelWeights(library, model, "cache", str(file), file.stat().st_size, licence)
    return ModelWeights(library, model, "hub", url, size, licence)


def unfit(listed: Iterable[ModelWeights], checkpoints: Mapping[str, Checkpoint]) -> list[str]:
    """What is wrong with the weights that are here, a sentence each: those of a folder must be whole
    and fit their model, those of a cache are loaded as a search loads them."""
    _, reasons = drop_unfit(checkpoints)
    cached = [one for one in listed if one.place == "cache"]
    for done, one in enumerate(cached, 1):
        if why := load(one):
            reasons.append(f"{one.source}: {why}; delete it, and fetch it again")
        progress("loading weights", done, len(cached))
    return reasons


def load(one: ModelWeights) -> str:
    """Have its library make the model with its weights, as a search does, which fetches them where
    they aren't here; why it couldn't, as a sentence, or empty."""
    try:
        if one.library == "torchvision":
            from torchvision import models

            models.get_model(one.model, weights="DEFAULT")
        else:
            import timm

            timm.create_model(one.model, pretrained=True, num_classes=0)
    except Exception as error:
        # Libraries raise what they like of a network, a disk and a broken file.
        return (str(error).strip() or type(error).__name__).splitlines()[0]
    return ""
