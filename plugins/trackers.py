"""Trackers: where trials are shown beside automask (`automask.space.tracking.TrackerPlugin`).

Each imports its library when it is made, and is left alone with its own settings: where they say
nothing, all stays in a folder of the study.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automask import tracker

if TYPE_CHECKING:
    from automask.space.tracking import Tracker


@tracker()
def mlflow(study: str, folder: Path) -> Tracker:
    """MLflow: an experiment a study, a run for the study and below it one a trial.

    Goes where MLFLOW_TRACKING_URI says, else to a database in the study's folder, which
    ``mlflow ui --backend-store-uri sqlite:///…/mlflow.db`` shows.
    When to use: a team has a server of it.
    """
    from mlflow.tracking import MlflowClient

    # A database that is made tells every step of it.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    address = os.environ.get("MLFLOW_TRACKING_URI")
    if not address:
        folder.mkdir(parents=True, exist_ok=True)
        address = f"sqlite:///{(folder / 'mlflow.db').as_posix()}"
    return _Mlflow(MlflowClient(address), study)


class _Mlflow:
    def __init__(self, client: Any, study: str) -> None:
        self.client, self.runs = client, dict[int, str]()
        there = client.get_experiment_by_name(study)
        self.experiment = there.experiment_id if there else client.create_experiment(study)
        mine = client.search_runs([self.experiment], "tags.`automask.study` = 'yes'")
        self.parent = mine[0].info.run_id if mine else self._run(study, {"automask.study": "yes"})

    def _run(self, name: str, tags: dict[str, str]) -> str:
        tags = {"mlflow.runName": name, **tags}
        run: str = self.client.create_run(self.experiment, tags=tags).info.run_id
        return run

    def begin(self, trial: int, values: Mapping[str, Any]) -> None:
        run = self.runs[trial] = self._run(f"trial {trial}", {"mlflow.parentRunId": self.parent})
        for name, value in values.items():
            self.client.log_param(run, name, value)

    def record(self, trial: int | None, figures: Mapping[str, float], step: int) -> None:
        run = self.parent if trial is None else self.runs[trial]
        for name, value in figures.items():
            self.client.log_metric(run, name, value, step=step)

    def end(self, trial: int, state: str) -> None:
        run = self.runs.pop(trial)
        self.client.set_tag(run, "state", state)
        fine = state in ("complete", "pruned")
        self.client.set_terminated(run, "FINISHED" if fine else "FAILED")

    def close(self) -> None:
        for run in self.runs.values():
            self.client.set_terminated(run, "KILLED")
        self.client.set_terminated(self.parent, "FINISHED")


@tracker()
def tensorboard(study: str, folder: Path) -> Tracker:
    """TensorBoard: a folder of curves for the study and one a trial.

    They lie in the study's folder, which ``tensorboard --logdir runs/STUDY/trackers`` shows.
    When to use: curves are to be looked at without a server.
    """
    from torch.utils.tensorboard import SummaryWriter

    return _TensorBoard(SummaryWriter, folder)


class _TensorBoard:
    def __init__(self, writer: Any, folder: Path) -> None:
        self.writer, self.folder = writer, folder
        self.open: dict[int | None, Any] = {}

    def _writer(self, trial: int | None) -> Any:
        if trial not in self.open:
            name = "study" if trial is None else f"trial-{trial:04}"
            self.open[trial] = self.writer(self.folder / name)
        return self.open[trial]

    def begin(self, trial: int, values: Mapping[str, Any]) -> None:
        lines = [f"| {name} | {value} |" for name, value in values.items()]
        self._writer(trial).add_text("recipe", "\n".join(["| name | value |", "|---|---|", *lines]))

    def record(self, trial: int | None, figures: Mapping[str, float], step: int) -> None:
        for name, value in figures.items():
            self._writer(trial).add_scalar(name, value, step)

    def end(self, trial: int, state: str) -> None:
        writer = self.open.pop(trial)
        writer.add_text("state", state)
        writer.close()

    def close(self) -> None:
        for writer in self.open.values():
            writer.close()


@tracker()
def wandb(study: str, folder: Path) -> Tracker:
    """Weights & Biases, offline unless WANDB_MODE says otherwise: a group a study, a run a trial.

    Files lie in the study's folder; ``wandb sync`` sends them where you have an account.
    When to use: a team has it.
    """
    import wandb

    folder.mkdir(parents=True, exist_ok=True)

    def begin(name: str, values: Mapping[str, Any]) -> Any:
        return wandb.init(
            project="automask",
            group=study,
            name=name,
            config=dict(values),
            dir=str(folder),
            mode=os.environ.get("WANDB_MODE", "offline"),
            reinit="create_new",
            settings=wandb.Settings(console="off", silent=True),
        )

    return _Runs(study, begin)


@tracker()
def trackio(study: str, folder: Path) -> Tracker:
    """trackio: a project a study, a run a trial, in a database of this machine.

    It lies where trackio keeps all of them (TRACKIO_DIR), and ``trackio show`` shows it.
    When to use: pages as those of Weights & Biases, without an account.
    """
    import trackio
    import trackio.run
    import trackio.utils

    # They print on standard output whatever happens, where a search says its own lines.
    for module in (trackio, trackio.run, trackio.utils):
        module.print = lambda *_, **__: None

    def begin(name: str, values: Mapping[str, Any]) -> Any:
        return trackio.init(
            project=study,
            name=name,
            config=dict(values),
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )

    return _Runs(study, begin)


class _Runs:
    """A run for the study and one a trial, each begun by `make` with its name and values; of libraries
    whose runs have `log` and `finish`."""

    def __init__(self, study: str, make: Any) -> None:
        self.study, self.make = study, make
        self.open: dict[int | None, Any] = {}

    def begin(self, trial: int, values: Mapping[str, Any]) -> None:
        self.open[trial] = self.make(f"trial {trial}", values)

    def record(self, trial: int | None, figures: Mapping[str, float], step: int) -> None:
        if trial is None and trial not in self.open:
            self.open[None] = self.make(self.study, {})
        # Their steps only rise, and what belongs to no fold comes last.
        self.open[trial].log({**figures, "fold": step} if step else dict(figures))

    def end(self, trial: int, state: str) -> None:
        run = self.open.pop(trial)
        run.log({"state": state})
        run.finish()

    def close(self) -> None:
        for run in self.open.values():
            run.finish()
