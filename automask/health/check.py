"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass

OK, NOTE, MEND = "ok", "note", "mend"


@dataclass(frozen=True)
class Check:
    """What was looked at and what there is; `verdict` is ok, note or mend, `advice` what to do or what
    it means for a search."""

    name: str
    value: str
    verdict: str = OK
    advice: str = ""
