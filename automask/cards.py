"""The report's sections of pictures as HTML, and what all sections say alike."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

Facts = Mapping[str, Any]
#: Of audits so many suspects and groups are shown with pictures; the rest are counted.
SHOWN = 24


def text_of(value: object) -> str:
    return html.escape(str(value))


def figure_of(value: float | None, form: str = ".3f") -> str:
    return "–" if value is None else format(value, form)


def shown_ids(facts: Facts) -> list[str]:
    """The ids whose pictures the page shows."""
    ids = [row["id"] for row in facts["hardest"]]
    ids += [row["id"] for row in (facts["suspects"] or [])[:SHOWN]]
    ids += [
        id for finding in facts["leaks"] or [] for group in finding["rows"][:SHOWN] for id in group
    ]
    return list(dict.fromkeys(ids))


def hardest(facts: Facts, pictures: Mapping[str, str]) -> str:
    if not facts["hardest"]:
        return '<p class="note">No row was mistaken.</p>'
    cards = "".join(
        _card(
            row["id"],
            pictures.get(row["id"], ""),
            [
                ("given", "", row["given"], row["of_given"]),
                ("likeliest", "said", row["likely"], row["of_likely"]),
            ],
        )
        for row in facts["hardest"]
    )
    return f"""<p class="note">The mistakes whose given class was least likely, with the probability of
each: wrong labels, odd pictures, or what the model hasn't understood.</p>
<div class="cards">{cards}</div>"""


def looked(facts: Facts) -> str:
    found = facts["looked"]
    if not found["rows"]:
        return f'<p class="note">Not shown: {text_of(found["why"])}.</p>'
    parts = ""
    for title, right in (("When it was wrong", False), ("When it was right", True)):
        cards = "".join(
            _card(
                row["id"],
                row["image"],
                [
                    ("given", "", row["given"], None),
                    ("said", "agreed" if right else "said", row["said"], row["probability"]),
                ],
            )
            for row in found["rows"]
            if (row["said"] == row["given"]) == right
        )
        parts += f'<h3 class="over">{title}</h3><div class="cards">{cards}</div>' if cards else ""
    return f"""<p class="note">What spoke for the class said, by Grad-CAM of trial {found["trial"]}
({text_of(found["recipe"])}) at <code>{text_of(found["layer"])}</code>: the brighter, the more. Each
picture is seen by the fold's network that never trained on it.</p>{parts}"""


def suspects(facts: Facts, pictures: Mapping[str, str]) -> str:
    rows = facts["suspects"]
    if rows is None:
        return ""
    if not rows:
        return '<p class="note">No label is suspect.</p>'
    cards = "".join(
        _card(
            row["id"],
            pictures.get(row["id"], ""),
            [
                ("given", "", row["given"], None),
                ("likely", "said", row["likely"], row["probability"]),
            ],
        )
        for row in rows[:SHOWN]
    )
    rest = f"; the first {SHOWN} are shown" if len(rows) > SHOWN else ""
    return f"""<p class="note">{len(rows):,} train rows whose label the out-of-fold probabilities
speak against, the surest first{rest}.</p><div class="cards">{cards}</div>"""


def leaks(facts: Facts, pictures: Mapping[str, str]) -> str:
    if facts["leaks"] is None:
        return ""
    if not facts["leaks"]:
        return '<p class="note">Nothing was found.</p>'
    return "".join(_finding(finding, pictures) for finding in facts["leaks"])


def _finding(finding: Facts, pictures: Mapping[str, str]) -> str:
    groups = "".join(
        f'<div class="group">{_figures(group, pictures)}</div>' for group in finding["rows"][:SHOWN]
    )
    rest = len(finding["rows"]) - SHOWN
    more = f'<p class="note">and {rest:,} more</p>' if rest > 0 else ""
    return f"""<div class="panel long"><h3>{text_of(finding["title"])}</h3>
<p>{text_of(finding["sentence"])}</p><div class="together">{groups}</div>{more}</div>"""


def _figures(ids: Sequence[str], pictures: Mapping[str, str]) -> str:
    return "".join(
        f"<figure>{_image(id, pictures[id]) if id in pictures else ''}"
        f'<figcaption title="{text_of(id)}">{text_of(id)}</figcaption></figure>'
        for id in ids
    )


def _card(id: str, picture: str, lines: Sequence[tuple[str, str, str, float | None]]) -> str:
    """A picture with lines of (term, CSS class, text, probability)."""
    told = "".join(
        f'<dt>{term}</dt><dd class="{kind}">{text_of(text)}</dd>'
        f'<dd class="n">{figure_of(share, ".0%") if share is not None else ""}</dd>'
        for term, kind, text, share in lines
    )
    image = _image(id, picture) if picture else ""
    return (
        f'<article class="card">{image}<p class="id" title="{text_of(id)}">{text_of(id)}</p>'
        f"<dl>{told}</dl></article>"
    )


def _image(id: str, picture: str) -> str:
    source = f"data:image/jpeg;base64,{picture}"
    return f'<img alt="picture of {text_of(id)}" decoding="async" src="{source}">'
