"""A search shown by each tracker that is installed, and read back by its own means."""

import json
import os
import socket
import subprocess
import sys
import urllib.request

import pytest

from automask.hpo.limits import Limits
from automask.study import run
from automask.study.tracking import record_ensemble, tracked
from helpers.searches import wait_for

SCORES = {"nested_macro_f1": 0.25}


def show(study, name):
    """Search two trials and note an ensemble with that tracker; the folder of its files."""
    with tracked([name], study.options):
        end = run.search(study, Limits(2), 1)
    record_ensemble([name], study.options, SCORES)
    assert [trial.state for trial in end.trials] == ["complete", "complete"]
    return study.store.tracker(name), end


def fine(heard):
    return [note for note in heard.notes if "tracker" in note] == []


def runs_of(client, name):
    """The study's run and those of its trials, by name."""
    experiment = client.get_experiment_by_name(name).experiment_id
    runs = client.search_runs([experiment])
    return {run.info.run_name: run for run in runs}


def check(client, study, end):
    """Whatever holds of the runs in MLflow."""
    name = f"{study.options.project.folder.absolute().name}-main"
    runs = runs_of(client, name)
    assert set(runs) == {name, "trial 0", "trial 1"}
    parent, first = runs[name], runs["trial 0"]
    assert first.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert first.data.params["backbone.timm.model"] == "test_resnet"
    assert first.info.status == "FINISHED" and first.data.tags["state"] == "complete"
    history = client.get_metric_history(first.info.run_id, "fold_macro_f1")
    assert sorted(point.step for point in history) == [1, 2, 3]
    assert first.data.metrics["macro_f1"] == pytest.approx(end.trials[0].value)
    assert parent.data.metrics["nested_macro_f1"] == 0.25
    assert "ensemble_so_far" in parent.data.metrics


def test_mlflow_in_the_study_s_folder(study, heard):
    tracking = pytest.importorskip("mlflow.tracking", reason="mlflow isn't installed")
    folder, end = show(study, "mlflow")
    assert fine(heard)
    check(tracking.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}"), study, end)


@pytest.fixture
def server(tmp_path):
    """The address of MLflow's own server."""
    pytest.importorskip("mlflow.server.fastapi_app", reason="mlflow's server isn't installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    database = f"sqlite:///{tmp_path / 'server.db'}"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database),
            *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
            *("--default-artifact-root", str(tmp_path / "artifacts")),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
    )
    address = f"http://127.0.0.1:{port}"

    def answers():
        assert process.poll() is None
        try:
            return urllib.request.urlopen(f"{address}/health", timeout=5).status == 200
        except OSError:
            return False

    try:
        wait_for(answers, 240)
        yield address
    finally:
        os.killpg(process.pid, 15)
        process.wait()


def test_mlflow_s_own_server(study, heard, server, monkeypatch):
    from mlflow.tracking import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    _, end = show(study, "mlflow")
    assert fine(heard)
    check(MlflowClient(server), study, end)
    assert not study.store.tracker("mlflow").exists()


def test_a_server_that_is_not_there_loses_no_trial(study, heard, monkeypatch):
    pytest.importorskip("mlflow.tracking", reason="mlflow isn't installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with tracked(["mlflow"], study.options):
        end = run.search(study, Limits(1), 1)
    assert [trial.state for trial in end.trials] == ["complete"]
    assert not fine(heard)


def test_tensorboard(study, heard):
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="tensorboard isn't installed",
    )
    folder, end = show(study, "tensorboard")
    assert fine(heard)
    assert {path.name for path in folder.iterdir()} == {"study", "trial-0000", "trial-0001"}

    def scalars(name, tag):
        events = reader.EventAccumulator(str(folder / name)).Reload()
        return [(event.step, event.value) for event in events.Scalars(tag)]

    assert [step for step, _ in scalars("trial-0000", "fold_macro_f1")] == [1, 2, 3]
    assert scalars("trial-0001", "macro_f1") == [(0, pytest.approx(end.trials[1].value, rel=1e-5))]
    assert scalars("study", "nested_macro_f1") == [(0, 0.25)]


def test_wandb_offline(study, heard, monkeypatch):
    pytest.importorskip("wandb", reason="wandb isn't installed")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    folder, _ = show(study, "wandb")
    assert fine(heard)
    files = sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))
    # One a trial, one for the study and one when its ensemble was noted.
    assert len(files) == 4
    assert all(file.stat().st_size for file in files)
    contents = b"".join(file.read_bytes() for file in files)
    assert b"fold_macro_f1" in contents and b"nested_macro_f1" in contents


READ = """
import json, sys
from trackio.sqlite_storage import SQLiteStorage as storage
project, = storage.get_projects()
print(json.dumps({run: storage.get_logs(project, run) for run in storage.get_runs(project)}))
"""


def test_trackio(study, heard, monkeypatch):
    pytest.importorskip("trackio", reason="trackio isn't installed")
    folder = study.store.folder.absolute() / "trackio"
    monkeypatch.setenv("TRACKIO_DIR", str(folder))
    monkeypatch.setattr("trackio.utils.TRACKIO_DIR", folder, raising=False)
    show(study, "trackio")
    assert fine(heard)
    out = subprocess.run([sys.executable, "-c", READ], capture_output=True, text=True, check=True)
    logs = json.loads(out.stdout.splitlines()[-1])
    first = [line for line in logs["trial 0"] if "fold_macro_f1" in line]
    assert sorted(line["fold"] for line in first) == [1, 2, 3]
