"""Everything that is looked at, in its order."""

from __future__ import annotations

from collections.abc import Iterator

from automask.health.check import Check
from automask.health.hardware import (
    disk_checks,
    gpu_check,
    hub_check,
    memory_check,
    processor_checks,
)
from automask.health.software import software_checks
from automask.health.speed import decoding_check, training_check
from automask.storage.project import Project


def examine(project: Project, device: str = "auto") -> Iterator[Check]:
    """A check after the other, the quick ones first; writes nothing that stays."""
    yield from software_checks()
    yield from processor_checks()
    yield memory_check()
    yield gpu_check()
    yield from disk_checks(project)
    yield hub_check()
    yield decoding_check()
    yield training_check(device)
