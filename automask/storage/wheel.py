"""automask as a wheel, made of what is installed: neither its checkout nor pip is needed."""

from __future__ import annotations

import base64
import hashlib
import re
import zipfile
from collections.abc import Iterator
from importlib import resources
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from pathlib import Path

#: What a kernel has in a build of its own, which no download may replace, with all that it brings.
KERNELS_OWN = ("torch", "torchvision")
PACKAGES = ("automask", "automask.plugins", "automask.search_spaces")
WHEEL = "Wheel-Version: 1.0\nGenerator: automask\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def write_wheel(folder: Path) -> Path:
    """Write the installed automask into a folder as a wheel that pip installs."""
    number = version("automask")
    facts, record = f"automask-{number}.dist-info", []
    file = folder / f"automask-{number}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        # A dict, since the plugins lie inside the package or beside it, as it was installed.
        for name, content in dict([*_sources(), *_facts(facts)]).items():
            archive.writestr(name, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            record.append(f"{name},sha256={digest.decode()},{len(content)}\n")
        archive.writestr(f"{facts}/RECORD", "".join([*record, f"{facts}/RECORD,,\n"]))
    return file


def requirements() -> list[str]:
    """A line `name==version` for each package that automask needs, directly or not, as installed."""
    versions: dict[str, str] = {}
    waiting = _needed("automask")
    while waiting:
        name = waiting.pop()
        if name in versions or name in KERNELS_OWN:
            continue
        try:
            versions[name] = version(name).partition("+")[0]
        except PackageNotFoundError:  # one of another system's
            continue
        waiting += _needed(name)
    return [f"{name}=={number}" for name, number in sorted(versions.items())]


def _needed(name: str) -> list[str]:
    lines = [line for line in requires(name) or () if "extra ==" not in line]
    names = [match[0] for line in lines if (match := re.match(r"[\w.-]+", line))]
    return [re.sub(r"[-_.]+", "-", name).lower() for name in names]


def _sources() -> Iterator[tuple[str, bytes]]:
    for package in PACKAGES:
        place = package.replace(".", "/")
        with resources.as_file(resources.files(package)) as folder:
            for file in sorted(folder.rglob("*")):
                if file.is_file() and "__pycache__" not in file.parts:
                    yield f"{place}/{file.relative_to(folder).as_posix()}", file.read_bytes()


def _facts(folder: str) -> Iterator[tuple[str, bytes]]:
    installed = distribution("automask")
    # Beside its sources an installed package has its facts under an older name.
    facts = installed.read_text("METADATA") or installed.read_text("PKG-INFO") or ""
    yield f"{folder}/METADATA", facts.encode()
    yield f"{folder}/entry_points.txt", (installed.read_text("entry_points.txt") or "").encode()
    yield f"{folder}/WHEEL", WHEEL.encode()
