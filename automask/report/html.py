"""HTML files of one page each: Jinja2 templates that are given plain figures."""

from __future__ import annotations

from typing import Any


def render(template: str, **figures: Any) -> str:
    """The page's text; whatever the figures hold, it stays text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from automask import units
    from automask.report import charts, curves

    pages = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    pages.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    pages.globals |= {"charts": charts, "curves": curves}
    pages.filters |= {"figure": _figure, "duration": units.duration}
    return pages.get_template(template).render(figures)


def _figure(value: float | None, form: str = ".3f") -> str:
    return "–" if value is None else format(value, form)
