"""The processor with this process's share of it, memory, GPUs, the disk and the way to the hub."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from automask import machine
from automask.health.check import MEND, NOTE, Check
from automask.storage.project import Project
from automask.storage.text_file import read_text
from automask.units import format_bytes

#: Below these a search stalls or stops, in bytes and bytes a second.
LEAST_MEMORY, LEAST_ROOM, SLOW_DISK = 4e9, 5e9, 50e6
#: So much is written and read to time the disk.
SAMPLE = 64_000_000


def processor_checks() -> Iterator[Check]:
    """The processor, its cores against this process's share, and what others take of it now."""
    import torch

    from automask.training.hardware import emulated

    features = [torch.backends.cpu.get_cpu_capability()]
    if not emulated(torch.device("cpu")):
        features.append("bfloat16")
    slow = features[0] in ("DEFAULT", "NO AVX") and platform.machine() in ("x86_64", "AMD64")
    yield Check(
        "processor",
        f"{_model()}; {', '.join(features)}",
        NOTE if slow else "ok",
        "without AVX2 training takes several times as long" if slow else "",
    )
    yield _cores()
    if hasattr(os, "getloadavg"):
        load = os.getloadavg()[0]
        busy = load > machine.cores() / 2
        advice = "other work takes the cores: the speeds below tell less, and a search is slower"
        yield Check("load", f"{load:.1f} in the last minute", *((NOTE, advice) if busy else ()))


def _model() -> str:
    file = Path("/proc/cpuinfo")
    lines = read_text(file).splitlines() if file.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _cores() -> Check:
    total, cores, share = os.cpu_count() or 1, machine.cores(), machine.container_share()
    value = f"{cores} of {total} for this process"
    if share is not None:
        value += f"; the container's share is {share:g}"
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdecimal() and int(threads) > cores:
        advice = (
            f"more threads than cores wait for each other: unset it, or OMP_NUM_THREADS={cores}"
        )
        return Check("cores", f"{value}; OMP_NUM_THREADS={threads}", MEND, advice)
    if share is not None and share < 1:
        return Check("cores", value, MEND, "give the container at least one core (--cpus 1)")
    workers = min(4, cores)
    advice = f"a search without a GPU runs {workers} workers of {cores // workers} threads"
    return Check("cores", value, advice=advice)


def memory_check() -> Check:
    """The memory of this process: the machine's, or what its container may take."""
    total = machine.memory()
    if total is None:
        return Check("memory", "not known on this system")
    short = total < LEAST_MEMORY
    advice = "a worker needs about 2 GB: run with --workers 1, or give more" if short else ""
    return Check("memory", format_bytes(total), MEND if short else "ok", advice)


def gpu_check() -> Check:
    """The GPUs that torch can use, or why it uses none where there is one."""
    import torch

    from automask.training.hardware import gpu_precision

    if torch.cuda.is_available():
        gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
        formats = [str(gpu_precision(g.major, g.minor)).removeprefix("torch.") for g in gpus]
        names = (
            f"{gpu.name} ({format_bytes(gpu.total_memory)}, trains in {precision})"
            for gpu, precision in zip(gpus, formats, strict=True)
        )
        return Check("GPU", "; ".join(names))
    if torch.backends.mps.is_available():
        return Check("GPU", "Apple's, which --device mps takes", NOTE, "auto takes the processor")
    if shutil.which("nvidia-smi"):
        built = torch.version.cuda
        why = (
            f"torch is built for CUDA {built}: the driver may be too old for it (nvidia-smi tells)"
            if built
            else "this torch is built without CUDA: see pytorch.org/get-started for the command"
        )
        return Check("GPU", "there is one that torch can't use", MEND, why)
    return Check("GPU", "none", NOTE, "small networks and heads train well without one")


def disk_checks(project: Project) -> Iterator[Check]:
    """The room and the speed of the disk that a project's `runs/` is on."""
    folder = project.runs if project.runs.is_dir() else project.folder
    free = shutil.disk_usage(folder).free
    room = f"{format_bytes(free)} free; caches and weights may take {format_bytes(free / 10)}"
    little = free < LEAST_ROOM
    advice = "free some: maps of the images and weights go to runs/ (--disk)" if little else ""
    yield Check("disk's room", room, MEND if little else "ok", advice)
    try:
        writing, reading = _disk_speed(folder)
    except OSError as error:
        advice = "a search writes to runs/ here: make the folder writable, or go to another"
        yield Check("disk's speed", f"can't be written: {error.strerror}", MEND, advice)
        return
    slow = min(writing, reading) < SLOW_DISK
    yield Check(
        "disk's speed",
        f"writes {format_bytes(writing)}/s, reads {format_bytes(reading)}/s",
        NOTE if slow else "ok",
        "slow: put the project on a local disk, since every trial reads maps" if slow else "",
    )


def _disk_speed(folder: Path) -> tuple[float, float]:
    """Bytes a second of writing a file through to the disk, and of reading it back."""
    content = os.urandom(1_000_000)
    with tempfile.TemporaryFile(dir=folder) as file:
        begin = time.perf_counter()
        for _ in range(SAMPLE // len(content)):
            file.write(content)
        file.flush()
        os.fsync(file.fileno())
        middle = time.perf_counter()
        if hasattr(os, "posix_fadvise"):
            # What is read comes from the disk then, not from memory.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.seek(0)
        while file.read(len(content)):
            pass
        end = time.perf_counter()
    return SAMPLE / (middle - begin), SAMPLE / max(end - middle, 1e-9)


def hub_check(timeout: float = 3.0) -> Check:
    """Does the hub of pretrained weights answer?"""
    from huggingface_hub import constants

    from automask.training.pretrained import hub_silence

    silence = hub_silence(timeout)
    if not silence:
        return Check("model hub", f"{constants.ENDPOINT} answers")
    advice = "automask weights list tells what is here; --weights DIR takes a folder"
    return Check("model hub", silence, NOTE, advice)
