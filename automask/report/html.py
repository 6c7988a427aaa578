"""The report's sections of pictures as HTML, and what all sections say alike.

The report's facts as HTML: each section a pure function, left out where it has nothing to say.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import numpy as np

from automask.report import charts
from automask.units import length

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


Facts = Mapping[str, Any]


def render(facts: Facts, pictures: Mapping[str, str]) -> str:
    """The page's text; `pictures` are base64 JPEGs by id. Whatever the facts hold, it stays text."""
    template = resources.files("automask").joinpath("report.html").read_text("utf-8")
    sections = {
        "score": ("Score", _score(facts)),
        "history": ("Search", _search(facts)),
        "classes": ("Classes", _classes(facts)),
        "confusion": ("Confusion", _confusion(facts)),
        "reliability": ("Reliability", _reliability(facts)),
        "hardest": ("Hardest images", hardest(facts, pictures)),
        "looked": ("Where it looked", looked(facts)),
        "suspects": ("Label suspects", suspects(facts, pictures)),
        "leaks": ("Audit", leaks(facts, pictures)),
    }
    told = {key: part for key, part in sections.items() if part[1]}
    links = "".join(f'<a href="#{key}">{title}</a>' for key, (title, _) in told.items())
    body = "\n".join(
        f'<section id="{key}"><h2>{title}</h2>{text}</section>'
        for key, (title, text) in told.items()
    )
    page = f"{_header(facts)}\n<nav><div>{links}</div></nav>\n<main>\n{body}\n</main>\n{_footer(facts)}"
    before, _, rest = template.partition("{{title}}")
    middle, _, after = rest.partition("{{body}}")
    return before + text_of(f"automask: study {facts['study']}") + middle + page + after


def _header(facts: Facts) -> str:
    score, trials = facts["scores"][0], facts["history"]
    count = {s: sum(t["state"] == s for t in trials) for s in ("complete", "pruned", "failed")}
    figures = {
        "trials": len(trials),
        "complete": count["complete"],
        "pruned": count["pruned"],
        **({"failed": count["failed"]} if count["failed"] else {}),
        "folds": facts["folds"],
        "training time": length(facts["pruning"]["spent"]),
    }
    strip = "".join(f"<div><dt>{k}</dt><dd>{text_of(v)}</dd></div>" for k, v in figures.items())
    told = "".join(f"<br>{text_of(line)}." for line in facts["data"])
    return f"""<header>
<p class="kicker">automask report, {text_of(facts["date"])}</p>
<h1>Study {text_of(facts["study"])}</h1>
<div class="headline">
<p class="score"><span class="metric">{text_of(facts["metric"])}</span><b>{score["value"]:.3f}</b>
<span>95 % interval {score["low"]:.3f} to {score["high"]:.3f}</span></p>
<p class="means"><strong>What to expect on new images like these.</strong> Each row was scored by
networks that never saw it, in a blend that was chosen without it.{told}</p>
</div>
<dl class="figures">{strip}</dl>
</header>"""


def _score(facts: Facts) -> str:
    scores, blend = facts["scores"], facts["blend"]
    begin, end = min(s["low"] for s in scores), max(s["high"] for s in scores)
    rows = "".join(
        f'<tr class="{"" if index else "first"}"><td>{text_of(s["name"])}</td>'
        f'<td class="n">{s["value"]:.4f}</td>'
        f'<td class="n dim spare">{s["low"]:.4f} to {s["high"]:.4f}</td>'
        f'<td class="wide">{charts.whisker(s["value"], s["low"], s["high"], begin, end)}</td></tr>'
        for index, s in enumerate(scores)
    )
    members = blend["members"]
    parts = "".join(
        f'<tr><td class="n">{figure_of(m["weight"], ".2f")}</td><td class="n">{m["trial"]}</td>'
        f"<td>{text_of(m['recipe'])}</td></tr>"
        for m in members
    )
    method = f"the {text_of(blend['method'])} ensemble of {len(members)} trials"
    if len(members) == 1:
        method = f"the {text_of(blend['method'])} ensemble, which is one trial alone"
    run = "" if blend["run"] else " No <code>automask ensemble</code> was run yet."
    return f"""<p class="note">Everything below is of {method}, out of fold.{run} Intervals are
bootstrapped; the first row is the one to trust.</p>
<div class="panel"><table><thead><tr><th>{text_of(facts["metric"])}</th><th></th>
<th class="n spare">95 % interval</th><th></th></tr></thead><tbody>{rows}</tbody></table></div>
<div class="panel"><h3>Members</h3><table class="members"><thead><tr><th class="n">weight</th>
<th class="n">trial</th><th>recipe</th></tr></thead><tbody>{parts}</tbody></table></div>"""


def _search(facts: Facts) -> str:
    chart, pruning = charts.history(facts["history"]), facts["pruning"]
    failed = [trial for trial in facts["history"] if trial["state"] == "failed"]
    pruned = pruning["pruned"]
    saved = (
        f"The pruner stopped {pruned} of {len(facts['history'])} trials and saved roughly "
        f"{length(pruning['saved'])} of training, beside {length(pruning['spent'])} that were spent."
        if pruned
        else "The pruner stopped no trial."
    )
    if failed:
        reasons = sorted({trial["reason"] or "failed" for trial in failed})
        saved += f" {len(failed)} failed: {text_of(', '.join(reasons))}."
    legend = """<ul class="legend">
<li><svg width="10" height="10"><circle class="dot" cx="5" cy="5" r="4.5"/></svg>complete</li>
<li><svg width="10" height="10"><path class="cross" d="M1 1l8 8m0 -8l-8 8"/></svg>pruned, last score</li>
<li><svg width="18" height="10"><path class="line" d="M0 5h18"/></svg>best so far</li></ul>"""
    return f"""<p class="note">{saved}</p>
<div class="grid"><div class="panel"><h3>Trials</h3>{chart}{legend}</div>
<div class="panel"><h3>What mattered</h3>{_importance(facts)}</div></div>"""


def _importance(facts: Facts) -> str:
    shares = [item for item in facts["importance"].items() if item[1] >= 0.005][:10]
    complete = sum(trial["state"] == "complete" for trial in facts["history"])
    if not shares:
        return f'<p class="note">{complete} complete trials are too few, or too alike, to say.</p>'
    rows = "".join(
        f'<tr><td>{text_of(name)}</td><td class="wide"><span class="bar" style="--v:{share:.3f}">'
        f'</span></td><td class="n">{share:.0%}</td></tr>'
        for name, share in shares
    )
    few = " With so few trials this is a hint at most." if complete < 50 else ""
    return f"""<table><tbody>{rows}</tbody></table><p class="note">Share of each hyperparameter in
reaching the best tenth of {complete} complete trials (PED-ANOVA).{few}</p>"""


def _classes(facts: Facts) -> str:
    tables = sorted(facts["tables"], key=lambda table: table["classes"])
    return f"""<p class="note">Precision: of those said to be it, how many are. Recall: of those that
are, how many were found. The worst come first.</p>
<div class="grid">{"".join(map(_class_table, tables))}</div>"""


def _class_table(table: Facts) -> str:
    rows = "".join(
        f'<tr><td>{text_of(row["name"])}</td><td class="n dim">{row["rows"]:,}</td>'
        f'<td class="n spare">{figure_of(row["precision"])}</td>'
        f'<td class="n spare">{figure_of(row["recall"])}</td><td class="n">{figure_of(row["f1"])}</td>'
        f'<td class="wide"><span class="bar" style="--v:{row["f1"] or 0:.3f}"></span></td></tr>'
        for row in table["rows"]
    )
    rest = table["classes"] - len(table["rows"])
    more = f'<p class="note">{rest} better ones are not listed.</p>' if rest else ""
    whole = " whole" if " × " in table["title"] else ""
    return f"""<div class="panel long{whole}"><h3>{text_of(table["title"])}</h3>
<table class="classes"><thead><tr><th>class</th>
<th class="n">rows</th><th class="n spare">precision</th><th class="n spare">recall</th>
<th class="n">F1</th><th></th></tr></thead><tbody>{rows}</tbody></table>{more}</div>"""


def _confusion(facts: Facts) -> str:
    tables = sorted(facts["tables"], key=lambda table: -table["classes"])
    largest, *others = [_matrix(table) for table in tables if table["counts"] is not None] or [""]
    beside = "".join([*others, _mistaken(facts["tables"][0]["pairs"])])
    return f"""<p class="note">Given classes down, likeliest classes across; a darker cell is a larger
share of its row.</p><div class="grid">{largest}<div class="stack">{beside}</div></div>"""


def _matrix(table: Facts) -> str:
    chart = charts.confusion(np.array(table["counts"]), table["names"])
    title = text_of(table["title"])
    return f'<div class="panel"><h3>{title}</h3><div class="scroll">{chart}</div></div>'


def _mistaken(pairs: Sequence[Facts]) -> str:
    rows = "".join(
        f"<tr><td>{text_of(pair['given'])}</td><td>{text_of(pair['said'])}</td>"
        f'<td class="n">{pair["rows"]:,}</td><td class="wide"><span class="bar b" '
        f'style="--v:{pair["rows"] / pairs[0]["rows"]:.3f}"></span></td></tr>'
        for pair in pairs
    )
    if not rows:
        return ""
    return f"""<div class="panel"><h3>Most often mistaken</h3><table><thead><tr><th>given</th>
<th>taken for</th><th class="n">rows</th><th></th></tr></thead><tbody>{rows}</tbody></table></div>"""


def _reliability(facts: Facts) -> str:
    found = facts["reliability"]
    bins = found["reliability"]
    chart = charts.reliability(bins)
    apart = sum(row["count"] * (row["confidence"] - row["accuracy"]) for row in bins)
    surer = apart / sum(row["count"] for row in bins)
    way = "surer" if surer > 0 else "less sure"
    rows = "".join(
        f'<tr><td class="n">{row["confidence"]:.1%}</td><td class="n">{row["accuracy"]:.1%}</td>'
        f'<td class="n">{row["count"]:,}</td></tr>'
        for row in bins
    )
    return f"""<p class="note">When it says 80 %, is it right in 8 of 10? On average probability and
truth are {found["expected_error"]:.1%} apart (expected calibration error), and it is {way} than
right, by {abs(surer):.1%}.</p>
<div class="grid"><div class="panel"><h3>Right, by probability said</h3>{chart}
<ul class="legend"><li><svg width="18" height="10"><path class="ideal" d="M0 5h18"/></svg>as sure as
right</li><li>larger dot: more rows</li></ul></div>
<div class="panel"><h3>In numbers</h3><table><thead><tr><th class="n">said</th>
<th class="n">right</th><th class="n">rows</th></tr></thead><tbody>{rows}</tbody></table></div></div>"""


def _footer(facts: Facts) -> str:
    return "<footer>Made by automask. This file needs no network.</footer>"
