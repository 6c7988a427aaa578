"""The pretrained weights of a project's space: which are here, whether they fit, the others fetched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from automask.api.projects import Folder, open_project
from automask.api.surroundings import working
from automask.data.config import SearchSection
from automask.data.config import load as load_config
from automask.errors import UserError, collect
from automask.listener import Listener, note
from automask.space import space_file
from automask.storage.project import Project
from automask.training.weights import ModelWeights as ModelWeights


@dataclass(frozen=True)
class Weights:
    """The weights of the models that compete in a space.

    `folder` is the folder of weights that was given, whose models alone are then candidates; those of
    the space that it lacks are `left_out`. `silence` is why the hub couldn't be asked, empty where it
    answered. `pretrained` is False where the space trains from nothing and needs none.
    """

    space: str
    models: tuple[ModelWeights, ...]
    folder: Path | None = None
    left_out: tuple[str, ...] = ()
    silence: str = ""
    pretrained: bool = True

    @property
    def missing(self) -> list[ModelWeights]:
        """Those that a search would fetch."""
        return [one for one in self.models if not one.is_here]

    @property
    def to_fetch(self) -> int | None:
        """How many bytes these are, None where some of their sizes aren't known."""
        sizes = [one.size for one in self.missing]
        return None if None in sizes else sum(size or 0 for size in sizes)


def list_weights(
    folder: Folder = ".",
    *,
    space: str | None = None,
    weights: str | Path | None = None,
    listener: Listener | None = None,
) -> Weights:
    """Look over the weights of the models in a space: the project's, or the default one where there is
    no project. `weights` is a folder of them, by default the project's.

    Nothing is fetched. Raises `UserError` for a space or a folder that can't be read.
    """
    project = open_project(folder)
    with working(project, listener):
        return _survey(project, space, weights)


def check_weights(
    folder: Folder = ".",
    *,
    space: str | None = None,
    weights: str | Path | None = None,
    listener: Listener | None = None,
) -> tuple[Weights, list[str]]:
    """The same, and what is wrong with those that are here, a sentence each: every one is read whole."""
    from automask.training import pretrained
    from automask.training.weights import unfit

    project = open_project(folder)
    with working(project, listener):
        listed = _survey(project, space, weights)
        checkpoints = pretrained.read_folder(listed.folder) if listed.folder else {}
        return listed, unfit(listed.models, checkpoints)


def get_weights(
    folder: Folder = ".", *, space: str | None = None, listener: Listener | None = None
) -> Weights:
    """Fetch the weights of a space's models that are in no cache yet; what there is then.

    A folder of weights is left alone: this is for searches without one. Raises `UserError` at once where
    something is missing and the hub can't be asked, and at the end for what couldn't be fetched.
    """
    from automask.training.weights import load, survey_hub

    project = open_project(folder)
    with working(project, listener):
        listed = _survey(project, space, None, in_folder=False)
        if listed.missing and listed.silence:
            names = ", ".join(one.model for one in listed.missing)
            raise UserError(
                f"{len(listed.missing)} of {len(listed.models)} models are missing, and can't be "
                f"fetched: {listed.silence}.\nmissing: {names}\nRun this where there is internet, and "
                "bring the caches along (HF_HOME, TORCH_HOME), or name a folder of <timm "
                "name>.safetensors by --weights DIR"
            )
        mistakes = []
        for one in listed.missing:
            note(f"fetching {one.model} from {one.source}")
            if why := load(one):
                mistakes.append(f"{one.model}: {why}")
        collect(mistakes, f"{len(mistakes)} of {len(listed.missing)} couldn't be fetched:")
        pairs = [(one.library, one.model) for one in listed.models]
        return replace(listed, models=tuple(survey_hub(pairs)[0]))


def _survey(
    project: Project, space: str | None, weights: str | Path | None, in_folder: bool = True
) -> Weights:
    from automask.study.adaptation import may_be_pretrained
    from automask.training import pretrained
    from automask.training.weights import survey_folder, survey_hub

    # Weights are fetched before there is a project, too.
    settings = load_config(project).search if project.config.is_file() else SearchSection()
    chosen = space_file.load(space or settings.space, project.folder)
    if not may_be_pretrained(chosen):
        return Weights(chosen.name, (), pretrained=False)
    name = weights if weights is not None else settings.weights
    if name is None or not in_folder:
        models, silence = survey_hub(chosen.models())
        return Weights(chosen.name, tuple(models), silence=silence)
    path = project.path(str(name))
    checkpoints = pretrained.read_folder(path)
    out = [model for lib, model in chosen.models() if lib != "timm" or model not in checkpoints]
    return Weights(chosen.name, tuple(survey_folder(checkpoints)), path, tuple(out))
