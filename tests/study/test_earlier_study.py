"""A study that an earlier version began, which goes on: see earlier_study/README.md."""

import csv
import shutil
from pathlib import Path

import pytest

from helpers.commands import automask

RECORDED = Path(__file__).with_name("earlier_study")
SCORES = {
    0: 0.45819304152637486,
    1: 0.6321438064859117,
    2: 0.6658520690778755,
    3: 0.2857142857142857,
    4: 0.36596736596736595,
    6: 0.43804466230936817,
}
PRUNED, INTERRUPTED = 5, 7
FIRST_FOLD = "runs/main/trials/a2e69cd7bafe/fold0.npz"  # of the interrupted trial


@pytest.fixture
def project(tmp_path):
    return shutil.copytree(RECORDED, tmp_path / "project")


def run(project, *arguments):
    """What the command printed, spaces and line ends alike."""
    done = automask(project, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return " ".join(done.stdout.split())


def trials(project):
    """The rows of `automask trials --csv` by number."""
    run(project, "trials", "--csv", "trials.csv")
    with open(project / "trials.csv", newline="") as opened:
        return {int(row["trial"]): row for row in csv.DictReader(opened)}


def files(project):
    """The content of what the study keeps, without what any search writes anew."""
    arrays = (f for f in (project / "runs").rglob("*") if f.suffix in (".npz", ".safetensors"))
    contents = {
        str(f.relative_to(project)): f.read_bytes() for f in arrays if f.parent.name != "cache"
    }
    return contents | {"folds": (project / "runs/main/folds.csv").read_bytes()}


def test_it_is_read_as_it_was(project):
    rows = trials(project)
    assert {n: float(row["macro_f1"]) for n, row in rows.items() if row["macro_f1"]} == SCORES
    states = {n: row["state"] for n, row in rows.items() if n not in SCORES}
    assert states == {PRUNED: "pruned", INTERRUPTED: "waiting"}
    output = run(project, "status")
    assert "7 trials: 6 complete, 1 pruned" in output
    assert "best 0.6659, since trial 2" in output
    assert "1 in the queue" in output
    output = run(project, "show", "2", "--toml", "two.toml")
    assert "probabilities of 3 of 3 folds" in output
    assert "weights of 3 of 3 folds" in output
    assert "probabilities of 1 of 3 folds" in run(project, "show", INTERRUPTED)
    # A recipe is known again by its hash, written or read.
    assert "trial 2 has this recipe: macro_f1 0.6659" in run(project, "train", "two.toml")
    assert "trial 6 has this recipe: macro_f1 0.4380" in run(project, "train", "given.toml")
    assert "s1" in run(project, "submissions")


def test_it_goes_on(project):
    before = files(project)
    assert FIRST_FOLD in before
    output = run(project, "search", "--trials", "9", "--workers", "1")
    assert "going on after 7 finished trials" in output
    assert "9 trials are complete or pruned" in output
    after, rows = files(project), trials(project)
    assert {name: after.get(name) for name in before} == before
    assert {n: float(rows[n]["macro_f1"]) for n in SCORES} == SCORES
    assert sorted(rows) == list(range(9))
    # The one that was interrupted first, with the fold that it had.
    assert rows[INTERRUPTED]["state"] == "complete"
    assert FIRST_FOLD.replace("fold0", "fold2") in after
    new = rows[8]
    assert new["state"] in ("complete", "pruned")
    assert new["backbone"] == "small" and float(new["fold 1"]) >= 0
    assert "wrote submission.csv: 9 rows checked" in run(project, "ensemble")


def test_its_blend_and_its_networks_predict_what_they_did(project):
    submission = (project / "submission.csv").read_text()
    run(project, "ensemble", "--output", "again.csv")
    assert (project / "again.csv").read_text() == submission
    # Other test rows are predicted by the stored weights.
    for file in ("test", "sample_submission"):
        lines = (project / f"data/{file}.csv").read_text().splitlines()
        left = [line for line in lines if not line.startswith("t4,")]
        assert len(left) == len(lines) - 1
        (project / f"data/{file}.csv").write_text("\n".join(left) + "\n")
    run(project, "ensemble", "--output", "fewer.csv")
    expected = [line for line in submission.splitlines() if not line.startswith("t4,")]
    assert (project / "fewer.csv").read_text().splitlines() == expected
