"""Lengths of time and sizes as people write them."""

from __future__ import annotations

import re

from automask.errors import UserError


def seconds_of(text: str) -> float:
    """The seconds of 90m, 2h, 1h30m or 600s; raises `UserError` for anything else."""
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", text.strip())
    if not match or not any(int(group or 0) for group in match.groups()):
        raise UserError(f"--timeout {text}: write it as 90m, 2h, 1h30m or 600s")
    hours, minutes, seconds = (int(group or 0) for group in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def bytes_of(text: str) -> int:
    """The bytes of 500MB, 20GB or 1.5TB; raises `UserError` for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]B)", text.strip().upper())
    if not match or not float(match[1]):
        raise UserError(f"--disk {text}: write it as 500MB, 20GB or 1.5TB")
    return int(float(match[1]) * {"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}[match[2]])
