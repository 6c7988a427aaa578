"""Where the files are that studies share: maps, features, and what was measured of networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cache:
    """The names of the files in a cache's folder; keys are equal where contents are."""

    folder: Path

    def images(self, key: str) -> Path:
        """A map of resized images."""
        return self.folder / f"images-{key}.npy"

    def features(self, key: str) -> Path:
        """The features of all images by one backbone."""
        return self.folder / f"features-{key}.npy"

    def pairs(self, key: str) -> Path:
        """The near-duplicates among images."""
        return self.folder / f"pairs-{key}.npz"

    def embedded(self, key: str) -> Path:
        """The folder of the images that a table has in its cells."""
        return self.folder / f"embedded-{key}"

    @property
    def preprocessings(self) -> Path:
        """The transforms that were fitted to a fold's training part."""
        return self.folder / "preprocessings.json"

    @property
    def backbones(self) -> Path:
        """What is measured of backbones: features, FLOPs, stages."""
        return self.folder / "backbones.json"

    @property
    def precision(self) -> Path:
        """Whether networks train quicker under bfloat16 here."""
        return self.folder / "precision.json"

    @property
    def memory(self) -> Path:
        """How many rows at once this machine's memory holds, by network."""
        return self.folder / "memory.json"

    @property
    def lock(self) -> Path:
        """Held while room is made."""
        return self.folder / "disk.lock"
