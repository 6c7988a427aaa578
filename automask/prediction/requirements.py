"""What must be installed for a model to predict, in the versions that it was exported with."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

#: What prediction imports; of automask's dependencies the others serve searches and reports.
NEEDED = (
    "filelock",
    "huggingface-hub",
    "numpy",
    "opencv-python-headless",
    "pandas",
    "pillow",
    "pydantic",
    "rich",
    "safetensors",
    "scipy",
    "timm",
    "torch",
    "torchvision",
    "typer",
)


def versions(more: Iterable[str] = ()) -> dict[str, str]:
    """The installed version of each, those of local builds as the one that they are a build of."""
    installed = {}
    for name in (*NEEDED, *more):
        try:
            installed[name] = version(name).partition("+")[0]
        except PackageNotFoundError:
            continue
    return dict(sorted(installed.items()))


def text(more: Iterable[str] = ()) -> str:
    """The lines of a `requirements.txt`."""
    lines = [f"{name}=={number}" for name, number in versions(more).items()]
    own = version("automask")
    return "\n".join(
        [
            f"# Beside them automask {own}, without what its searches need:",
            f"#   pip install -r requirements.txt && pip install --no-deps automask=={own}",
            *lines,
            "",
        ]
    )
