"""Pages served until Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from automask.api.web import Served


def serve(served: Served, path: str, console: Console) -> None:
    """Say where the pages are, show them where there is a screen, and answer until Ctrl-C."""
    from automask.api.web import open_browser

    address = served.guard.address(path)
    console.print(f"open {address}", markup=False, soft_wrap=True)
    console.print(
        "on this machine alone, and for who has this address; Ctrl-C ends it", soft_wrap=True
    )
    open_browser(address)
    try:
        served.run()
    except KeyboardInterrupt:
        console.print("ended", markup=False)
