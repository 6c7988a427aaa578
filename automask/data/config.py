"""`automask.toml`: what automask understood of a data folder, and the settings of its searches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from automask.data import corrections
from automask.data.dataset import METRIC
from automask.data.file_names import check_names
from automask.data.tables import Tables
from automask.errors import UserError, collect, did_you_mean
from automask.space import packages, registry
from automask.storage.project import Project
from automask.storage.text_file import check_path, parse_toml, read_text
from automask.units import bytes_of, count_of, seconds_of

SEEDS = 2**31 - 1


def _readable(read: Callable[[str], object]) -> AfterValidator:
    """Of a text that `read` reads, as the command line does."""

    def check(text: str) -> str:
        try:
            read(text)
        except UserError as error:
            raise ValueError(str(error).partition(": ")[2]) from error
        return text

    return AfterValidator(check)


PathText = Annotated[str, AfterValidator(check_path)]


class DataSection(BaseModel):
    """Where the images and tables are; further keys are the reader's own."""

    model_config = ConfigDict(extra="allow", strict=True)
    path: PathText
    reader: str
    #: How common the classes are in test: train, even, or a file.
    test_shares: str = "train"


class SearchSection(BaseModel):
    """The defaults of `automask search`, which its options override."""

    model_config = ConfigDict(extra="forbid", strict=True)
    metric: str = METRIC
    folds: int = Field(default=5, ge=2, le=100)
    split: str = "stratified"
    space: PathText = "default"
    seed: int = Field(default=0, ge=0, le=SEEDS)
    weights: PathText | None = None
    pruner: str = "two_stage"
    sampler: str = "tpe"
    trials: int = Field(default=50, ge=1)
    timeout: Annotated[str, _readable(seconds_of)] | None = None
    workers: Annotated[str, _readable(count_of)] | Annotated[int, Field(ge=1)] = "auto"
    disk: Annotated[str, _readable(bytes_of)] | None = None
    patience: int | None = Field(default=None, ge=1)
    tracker: str | list[str] = []
    #: Packages of plugins, as pip is told them: "automask-mine>=0.2".
    require_plugins: list[str] = []


class Config(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", strict=True)
    data: DataSection
    search: SearchSection = SearchSection()


def load(project: Project) -> Config:
    """Read and check a project's file, once its plugins are loaded.

    Raises one `UserError` that tells every mistake with its key.
    """
    file = project.config
    if not file.is_file():
        raise UserError(f"no {file} here: run 'automask init DATA' first, DATA being your folder")
    registry.load(project)
    table = parse_toml(read_text(file), str(file))
    errors: list[str] = []
    config = None
    try:
        config = Config.model_validate(table)
    except ValidationError as error:
        errors += [_sentence(dict(mistake)) for mistake in error.errors()]
    if mistakes := _plugin_mistakes(table):
        errors += [*_missing_packages(table), *mistakes]
    collect(errors, f"{file}:")
    assert config is not None
    return config


def refuse_missing(config: Config, project: Project) -> None:
    """Raise `UserError` where a package of plugins that the project requires is missing or too old."""
    sentences = packages.missing(config.search.require_plugins)
    collect((f"search.require_plugins: {text}" for text in sentences), f"{project.config}:")


def read(config: Config, project: Project, corrected: Path | None) -> Tables:
    """The data folder, read as the file says, with the labels in the file `corrected`, if any."""
    arguments = config.data.model_extra or {}
    check_names(project.path(config.data.path))
    tables = registry.get("reader", config.data.reader).function(
        project.path(config.data.path), **arguments
    )
    if tables is None:
        raise UserError(
            f"{config.data.path}: isn't laid out as reader '{config.data.reader}' expects; "
            "run 'automask init' again if the folder has changed"
        )
    return corrections.apply(tables, corrections.load(corrected)) if corrected else tables


def render(path: str, reader: str, tables: Tables) -> str:
    """The text of a new file for a folder as the user gave it."""
    import tomli_w

    metric = tables.metric or METRIC
    data = tomli_w.dumps({"data": {"path": path, "reader": reader, **tables.arguments}})
    return f"""\
# What automask understood. Change what it got wrong; every key is checked when it is read.
# The reader is how the folder is laid out.

{data}
[search]
metric = "{metric}"   # what counts; `automask plugins metric` lists the others
folds = 5
space = "default"     # default, quick, full, or a file of your own
# weights = "weights" # a folder of <timm name>.safetensors, where no model hub can be reached
"""


def _plugin_mistakes(table: dict[str, Any]) -> list[str]:
    """Unknown plugins, and keys that the reader doesn't know."""
    errors = []
    for section, key, kind in (
        ("data", "reader", "reader"),
        ("search", "metric", "metric"),
        ("search", "split", "split"),
    ):
        part = table.get(section)
        name = part.get(key) if isinstance(part, dict) else None
        if isinstance(name, str) and name not in registry.plugins(kind):
            hint = did_you_mean(name, registry.plugins(kind))
            errors.append(f"{section}.{key}: unknown {kind} '{name}'{hint}")
    data = table.get("data")
    name = data.get("reader") if isinstance(data, dict) else None
    if isinstance(data, dict) and isinstance(name, str) and name in registry.plugins("reader"):
        ranges = registry.get("reader", name).ranges
        for key in data.keys() - DataSection.model_fields.keys():
            if key not in ranges:
                hint = did_you_mean(key, [*ranges, *DataSection.model_fields])
                errors.append(f"data.{key}: unknown{hint}")
            elif data[key] not in ranges[key]:
                errors.append(f"data.{key}: {data[key]!r} isn't {ranges[key]}")
    return errors


def _missing_packages(table: dict[str, Any]) -> list[str]:
    """What to install, where an unknown plugin may be of a package that is required."""
    search = table.get("search")
    required = search.get("require_plugins") if isinstance(search, dict) else None
    texts = (
        [text for text in required if isinstance(text, str)] if isinstance(required, list) else []
    )
    return [f"search.require_plugins: {sentence}" for sentence in packages.missing(texts)]


def _sentence(mistake: dict[str, Any]) -> str:
    where = ".".join(map(str, mistake["loc"]))
    if mistake["type"] == "extra_forbidden":
        if where in SearchSection.model_fields:
            return f"{where}: belongs under [search]"
        model = {"search": SearchSection}.get(mistake["loc"][0], Config)
        return f"{where}: unknown{did_you_mean(str(mistake['loc'][-1]), model.model_fields)}"
    if mistake["type"] == "missing":
        return f"{where}: is missing"
    if mistake["type"] == "value_error":
        return f"{where}: {mistake['ctx']['error']}"
    return f"{where}: {mistake['msg'][0].lower()}{mistake['msg'][1:]}, not {mistake['input']!r}"
