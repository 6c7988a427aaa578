"""Lengths of time, sizes and counts as people write them."""

from __future__ import annotations

import re

from automask.errors import UserError


def seconds_of(text: str) -> float:
    """The seconds of 90m, 2h, 1h30m or 600s; raises `UserError` for anything else.

    >>> seconds_of("1h30m")
    5400
    """
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", text.strip())
    if not match or not any(int(group or 0) for group in match.groups()):
        raise UserError(f"--timeout {text}: write it as 90m, 2h, 1h30m or 600s")
    hours, minutes, seconds = (int(group or 0) for group in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(45), duration(720), duration(7500)
    ('45 s', '12 min', '2 h 5 min')
    """
    minutes = round(seconds / 60)
    if seconds < 99.5:
        return f"{max(0.0, seconds):.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def bytes_of(text: str) -> int:
    """The bytes of 500MB, 20GB or 1.5TB; raises `UserError` for anything else.

    >>> bytes_of("1.5 GB")
    1500000000
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]B)", text.strip().upper())
    if not match or not float(match[1]):
        raise UserError(f"--disk {text}: write it as 500MB, 20GB or 1.5TB")
    return int(float(match[1]) * {"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}[match[2]])


def count_of(workers: str) -> int | None:
    """How many workers are asked for, None for auto; raises `UserError` for anything else."""
    if workers == "auto":
        return None
    if not re.fullmatch(r"[0-9]+", workers) or not int(workers):
        raise UserError(f"--workers {workers}: a number of at least 1, or auto")
    return int(workers)


def format_bytes(size: float) -> str:
    """Bytes as people say them.

    >>> format_bytes(1_500_000_000)
    '1.5 GB'
    """
    units = {"TB": 1e12, "GB": 1e9, "MB": 1e6}
    unit = next((unit for unit, bytes_ in units.items() if size >= bytes_), "KB")
    number = size / units.get(unit, 1e3)
    return f"{number:.3g} {unit}" if number < 999.5 else f"{number:.0f} {unit}"
