"""What Linux alone has isn't needed: a project from init to predict, where Python lacks it.

Other systems can't be had here. Modules that they lack are refused to automask, functions that they lack
are taken away, what Windows refuses is refused, and a file in the system's own encoding is an error.
"""

import os

import pytest

from helpers.commands import automask
from helpers.csv_files import rows

#: Python runs this at its start.
ELSEWHERE = """
import builtins, errno, fcntl, os, signal, warnings

MODULES = {"crypt", "fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
begin = builtins.__import__

def refuse(name, globals=None, locals=None, fromlist=(), level=0):
    importer = (globals or {}).get("__name__", "")
    if not level and name in MODULES and importer.partition(".")[0] == "automask":
        raise ModuleNotFoundError(f"No module named '{name}'", name=name)
    return begin(name, globals, locals, fromlist, level)

builtins.__import__ = refuse
for module, names in {
    os: "getloadavg posix_fadvise POSIX_FADV_DONTNEED posix_fallocate sched_getaffinity",
    signal: "ITIMER_REAL setitimer SIGALRM",
}.items():
    for name in names.split():
        vars(module).pop(name, None)
fsync = os.fsync

def sync(file):
    number = file if isinstance(file, int) else file.fileno()
    if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, "as Windows says of a file that was opened to be read")
    fsync(file)

os.fsync = sync
warnings.filterwarnings("error", category=EncodingWarning, module=r"automask(\\.|$)")
"""


@pytest.fixture
def elsewhere(tmp_path):
    """The environment of such a Python."""
    (tmp_path / "start").mkdir()
    (tmp_path / "start" / "sitecustomize.py").write_text(ELSEWHERE)
    paths = [str(tmp_path / "start"), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(paths), "PYTHONWARNDEFAULTENCODING": "1"}


def test_from_help_to_predictions(project, elsewhere):
    def run(*line):
        done = automask(project, *line, **elsewhere)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    assert "search" in run("--help").stdout
    (project / "automask.toml").unlink()
    run("init", "data")
    search = ("--space", "space.toml", "--folds", "2", "--trials", "2", "--workers", "2")
    run("search", *search)
    run("ensemble")
    assert len(rows(project / "submission.csv")) == 10
    run("report")
    run("export", "model")
    run("predict", "model", "data/images", "-o", "predictions.csv")
    assert len(rows(project / "predictions.csv")) > 30
