"""Pages on which people decide: which labels are wrong, and which of two submissions is right."""

from __future__ import annotations

import csv
import re
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

import numpy as np

from automask.data import config
from automask.data.corrections import Outcome
from automask.diagnostics.suspects import Suspects
from automask.errors import UserError
from automask.report import comparison_page, html, submission, suspects_page
from automask.report.comparison import Comparison
from automask.report.expected_gain import ExpectedGain
from automask.storage.project import Project
from automask.web.pages import Pages, Request, Response, as_json

#: What is no submission among the tables of a project.
OTHERS = ("corrections.csv", "out_of_fold.csv")
CHOSEN = "chosen.csv"


class Compared(Protocol):
    """What the comparison of two submissions came to."""

    @property
    def comparison(self) -> Comparison: ...

    @property
    def probability(self) -> np.ndarray | None: ...

    @property
    def gain(self) -> ExpectedGain | None: ...


@dataclass
class Labelling:
    """The pages of a project and one of its studies, whose `suspects` are told when they are asked for.

    `relabel` takes a table of corrected labels, and `compare` holds two submissions against each other.
    """

    project: Project
    study: str
    suspects: Callable[[], Suspects]
    relabel: Callable[[Path], Outcome]
    compare: Callable[[str, str], Compared]
    #: Files that were written from here, and may be written again.
    written: set[str] = field(default_factory=set)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def pages(self) -> Pages:
        return Pages(
            {
                ("GET", "/"): self.show_home,
                ("GET", "/suspects"): self.show_suspects,
                ("POST", "/suspects"): self.save_labels,
                ("GET", "/compare"): self.show_comparison,
                ("POST", "/compare"): self.save_submission,
            }
        )

    def show_home(self, request: Request) -> Response:
        """What there is to decide."""
        files = self.submissions()
        page = html.render("home.html", study=self.study, project=self._name, files=files)
        return Response(page)

    @property
    def _name(self) -> str:
        return self.project.folder.absolute().name

    def submissions(self) -> list[str]:
        """The kept submissions by name, the newest first, and the project's own tables."""
        tables = sorted(file.name for file in self.project.folder.glob("*.csv") if file.is_file())
        newest = reversed(self.project.submissions.names())
        return [*newest, *(name for name in tables if name not in OTHERS)]

    def show_suspects(self, request: Request) -> Response:
        """The labels that may be wrong, to be decided."""
        with self.lock:
            project = self.project
            now = config.read(config.load(project), project, project.corrections)
            facts = suspects_page.gather(
                self.suspects(), now, self.study, {"address": "/suspects", "file": ""}
            )
        return Response(comparison_page.render(facts))

    def save_labels(self, request: Request) -> Response:
        """Take what was decided into `corrections.csv`."""
        chosen = _chosen(request.content)
        with self.lock, tempfile.TemporaryDirectory() as folder:
            ids = self._shown_rows()
            file = Path(folder) / "suspects.csv"
            self._write_labels(file, chosen, ids)
            outcome = self.relabel(file)
        left = len(outcome.corrections)
        text = (
            f"{outcome.corrected:,} corrected, {outcome.undone:,} put back, {outcome.same:,} as they "
            f"were; {self.project.corrections.name} holds {left:,}"
        )
        return as_json({"text": text + ". For these: automask search --study NAME" * bool(left)})

    def _shown_rows(self) -> list[str]:
        """The ids of the rows on the page, in its order."""
        suspects = self.suspects()
        return [suspects.data.train.ids[row] for row in suspects_page.shown_rows(suspects)]

    def _write_labels(self, file: Path, chosen: Mapping[int, list[str]], ids: list[str]) -> None:
        data = self.suspects().data
        columns = list(data.answer_columns(data.labels[:1]))
        source = [] if "source" in columns else ["source"]
        with open(file, "w", newline="", encoding="utf-8") as opened:
            writer = csv.writer(opened)
            writer.writerow([data.id_column, *columns, *source])
            for place, cells in chosen.items():
                if not 0 <= place < len(ids) or len(cells) != len(columns):
                    raise UserError(f"no row {place} with {len(cells)} targets is on the page")
                author = [f"automask label, study {self.study}"] if source else []
                writer.writerow([ids[place], *cells, *author])

    def show_comparison(self, request: Request) -> Response:
        """Where two submissions differ, to be decided."""
        a, b = self._pair(request)
        with self.lock:
            result = self.compare(a, b)
            save = {"address": f"/compare?{urlencode({'a': a, 'b': b})}", "file": self._free_name()}
            effects = result.gain.sentences if result.gain else []
            facts = comparison_page.gather(
                result.comparison, (a, b), result.probability, effects, save
            )
        return Response(comparison_page.render(facts))

    def save_submission(self, request: Request) -> Response:
        """Write A with what was decided, as a new file of the project."""
        a, b = self._pair(request)
        chosen = _chosen(request.content)
        with self.lock:
            file = self._new_file(request.content.get("file"))
            frame = comparison_page.choose(self.compare(a, b).comparison, chosen)
            submission.write(frame, file)
            self.written.add(file.name)
        done = f"wrote {file.name}: {a} with {len(chosen):,} choices"
        text = f"{done}. Keep it: automask submit {file.name}"
        return as_json({"text": text})

    def _pair(self, request: Request) -> tuple[str, str]:
        """The two that are asked for, of those that there are."""
        names = request.query.get("a", ""), request.query.get("b", "")
        for name in names:
            if name not in self.submissions():
                raise UserError(f"'{name}' is no submission of this project")
        return names

    def _free_name(self) -> str:
        numbers = (CHOSEN, *(f"chosen{number}.csv" for number in range(2, 1000)))
        return next(
            n for n in numbers if n in self.written or not (self.project.folder / n).exists()
        )

    def _new_file(self, name: Any) -> Path:
        """A file in the project's folder that replaces none but what was written from here."""
        if not isinstance(name, str) or not re.fullmatch(r"\w[\w.-]*\.csv", name):
            raise UserError(
                f"'{name}': a name such as {CHOSEN}, of letters, digits, '.', '_' and '-'"
            )
        file = self.project.folder / name
        if name in OTHERS or (name not in self.written and (file.exists() or file.is_symlink())):
            raise UserError(f"{name} is there already: take another name")
        return file


def _chosen(content: Any) -> dict[int, list[str]]:
    """What was decided, cells by the number of their row; raises `UserError` for anything else."""
    rows = content.get("rows") if isinstance(content, dict) else None
    if not isinstance(rows, dict) or not rows:
        raise UserError("nothing was chosen yet")
    for row, cells in rows.items():
        texts = isinstance(cells, list) and all(isinstance(cell, str) for cell in cells)
        if not (row.isascii() and row.isdecimal()) or not texts:
            raise UserError(f"row {row}: a row's number and the texts of its answers belong there")
    return {int(row): cells for row, cells in rows.items()}
