"""`python -m benchmarks.blends FOLDER ...`: what each way to blend scores, in searched studies.

A FOLDER has an `automask.toml` and a study `main` in `runs/`. Writes its part of docs/ensembles.md.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

from automask.ensembles import ensemble, members, tta
from automask.ensembles.ensemble import AUTO, PLAIN, Ensemble
from automask.storage.disk import TOP
from automask.storage.project import Project
from automask.study import summary
from automask.study.session import Options, Session, open_session

DOCS = Path(__file__).parents[1] / "docs" / "ensembles.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks.blends", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--views", type=int, default=5, help="views of so many of the best trials")
    asked = parser.parse_args()
    before, _, rest = DOCS.read_text("utf-8").partition(BEGIN)
    known = rest.partition(END)[0].strip().split("## ")[1:]
    parts = {part.partition("\n")[0]: f"## {part.strip()}" for part in known}
    for folder in asked.folders:
        name, options = folder.resolve().name, Options(project=Project(folder))
        parts[name] = section(name, open_session(options), asked.views)
        print(parts[name], flush=True)
    text = "\n\n".join(parts.values())
    DOCS.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}", "utf-8")


def section(name: str, session: Session, count: int) -> str:
    """A task's table, and a line for what else was chosen."""
    states, found = summary.overview(session).states, members.load_members(session)
    begin = time.process_time()
    plain = blended(session, {PLAIN: found})
    seconds = time.process_time() - begin
    best, names = found[: count or TOP], [PLAIN]
    if count:
        names = tta.candidates(session)
    views = tta.member_views(session, best, names)
    seen = blended(session, views)
    lines = [
        f"## {name}",
        f"{len(session.data.labels):,} rows, {len(session.data.counts)} classes, "
        f"{states['complete']} trials complete and {states['pruned']} pruned. Choosing and scoring by "
        f"`auto` took {seconds:.0f} s of a core.",
        "\n".join(["| | nested | out of fold |", "|---|---|---|", *rows(plain, seen)]),
        chosen(plain, seen),
    ]
    return "\n\n".join(lines)


def blended(session: Session, views: dict[str, list[ensemble.Member]]) -> Ensemble:
    data = session.data
    return ensemble.fit(views, data.labels, session.folds, data.groups, session.metric, AUTO, TOP)


def rows(plain: Ensemble, seen: Ensemble) -> list[str]:
    found = [f"| best single trial | – | {plain.single} |"]
    found += [f"| {name} | {s.nested} | {s.plain.value:.4f} |" for name, s in plain.methods.items()]
    found.append(f"| **auto** | {plain.nested} | {plain.plain.value:.4f} |")
    for view, score in seen.views.items():
        if view != PLAIN:
            found.append(f"| {seen.method} under `{view}` | {score} | – |")
    if len(seen.views) > 1:
        found.append(f"| **auto, with views** | {seen.nested} | {seen.plain.value:.4f} |")
    return found


def chosen(plain: Ensemble, seen: Ensemble) -> str:
    folds = ", ".join(f"{name} in {count}" for name, count in sorted(plain.chosen.items()))
    biases = "kept" if plain.shift is not None else "not kept"
    heat = "not kept" if plain.temperature is None else f"{plain.temperature:.2f}"
    views = f"; with views it came to `{seen.view}`" if len(seen.views) > 1 else ""
    return (
        f"`auto` came to {plain.method} ({folds} of the outer folds), class biases {biases}, "
        f"temperature {heat}{views}. Two members differ in {plain.disagreement:.1%} of the rows."
    )


if __name__ == "__main__":
    main()
