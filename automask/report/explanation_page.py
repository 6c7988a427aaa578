"""A page of where a model looked in some images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from automask.prediction.contents import Contents
from automask.prediction.explanation import Explanation
from automask.report import html, submission
from automask.report.pictures import jpeg, paint
from automask.target import Number

#: Images of a page.
MOST = 200


def write(
    contents: Contents, names: Sequence[str], explanations: Sequence[Explanation], file: Path
) -> None:
    """Write the page, one picture with its heat map an image of that name."""
    number = isinstance(contents.answers.kind, Number)
    rows = [
        {
            "name": name,
            "answer": f"{one.value:.4g}"
            if number
            else contents.answers.attributes.describe(one.label),
            "value": one.value,
            "loss": one.loss,
            "marked": bool(one.heat.any()),
            "picture": jpeg(one.pixels),
            "painted": jpeg(paint(one.pixels, one.heat)),
        }
        for name, one in zip(names, explanations, strict=True)
    ]
    text = html.render("explained.html", rows=rows, number=number, study=contents.study)
    submission.put(file, lambda beside: beside.write_text(text, "utf-8"))
