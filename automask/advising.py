"""TODO advising."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automask.diagnostics.advice import Advice, advice

if TYPE_CHECKING:
    from automask.session import Session


def measure_advice(session: Session, deadline: float | None = None) -> Advice:
    """Measure what a search of the session begins with, before the deadline (Unix time) if any."""
    assert session.space is not None
    return advice(session.task(), session.space, deadline)
