"""The machine looked over, and the licences of what is installed."""

import json
import re

import pytest

from automask import machine
from automask.health import hardware, software, speed
from automask.health.check import MEND, NOTE
from automask.health.licences import licences
from automask.storage.project import Project
from helpers.commands import automask, refused


def test_everything_is_looked_at_and_nothing_stays(tmp_path):
    out = automask(tmp_path, "doctor", "--json")
    checks = {check["name"]: check for check in json.loads(out.stdout)}
    assert checks.keys() >= {
        *("Python", "automask", "libraries", "processor", "cores", "memory", "GPU"),
        *("disk's room", "disk's speed", "model hub", "decoding", "training"),
    }
    to_mend = [name for name, check in checks.items() if check["verdict"] == "mend"]
    assert out.returncode == (2 if to_mend else 0)
    assert all(checks[name]["advice"] for name in to_mend)
    assert re.search(r"resnet18 at 96 pixels: [\d,]+ images/s on \w+", checks["training"]["value"])
    assert checks["model hub"]["verdict"] == "note"
    assert not list(tmp_path.iterdir())
    refused(automask(tmp_path, "doctor", "--device", "cuda:77"), "--device cuda:77")


@pytest.mark.parametrize(
    ("content", "share"),
    [
        ("max 100000", None),
        ("150000 100000", 1.5),
        ("50000 100000", 0.5),
        ("nonsense", None),
        (None, None),
    ],
)
def test_a_container_s_share_of_the_cores(tmp_path, monkeypatch, content, share):
    monkeypatch.setattr(machine, "GROUPS", tmp_path)
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: range(8), raising=False)
    if content:
        (tmp_path / "cpu.max").write_text(content + "\n")
    assert machine.container_share() == share
    assert machine.cores() == {None: 8, 1.5: 2, 0.5: 1}[share]
    check = hardware._cores()
    assert ("the container's share" in check.value) == (share is not None)
    assert (check.verdict == MEND) == (share == 0.5)


def test_a_container_s_share_by_the_first_control_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "GROUPS", tmp_path)
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text("-1\n")
    assert machine.container_share() is None
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text("300000\n")
    assert machine.container_share() == 3


def test_a_container_s_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "GROUPS", tmp_path)
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.memory() > 1e8
    (tmp_path / "memory.max").write_text("1000000000\n")
    assert machine.memory() == 10**9
    check = hardware.memory_check()
    assert check.verdict == MEND and "1 GB" in check.value


def test_more_threads_than_cores(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "999")
    check = hardware._cores()
    assert check.verdict == MEND and "OMP_NUM_THREADS=" in check.advice


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(hardware.tempfile, "TemporaryFile", refuse)
    checks = {check.name: check for check in hardware.disk_checks(Project(tmp_path))}
    assert checks["disk's speed"].verdict == MEND
    assert "Permission denied" in checks["disk's speed"].value


def test_a_requirement_that_is_not_met(monkeypatch):
    lines = [
        "numpy>=999",
        "rich>=1",
        'tifffile>=9999 ; extra == "tiff"',
        "gone ; python_version < '3'",
    ]
    monkeypatch.setattr(software, "requires", lambda _: lines)
    checks = {check.name: check for check in software.software_checks()}
    assert checks["unmet requirements"].verdict == MEND
    assert checks["unmet requirements"].advice == "pip install 'numpy>=999'"
    assert checks["extras not installed"].verdict == NOTE


def test_a_training_far_below_what_the_processor_can_do(monkeypatch):
    monkeypatch.setattr(speed, "_product_speed", lambda: 1e9)
    check = speed.training_check("cpu", seconds=1.5)
    assert check.verdict == MEND and check.advice
    monkeypatch.setattr(speed, "_product_speed", lambda: 1e-9)
    assert speed.training_check("cpu", seconds=1.5).verdict == "ok"


def test_licences_are_those_of_what_comes_along():
    listed = {one.package: one for one in licences()}
    assert listed["torch"].direct and not listed["sympy"].direct
    assert listed["optuna"].licence.startswith("MIT")
    assert "ruff" not in listed and "automask" not in listed
    assert all("\n" not in one.licence and one.licence for one in listed.values())
    assert sum(one.licence == "not stated" for one in listed.values()) < len(listed) / 10
