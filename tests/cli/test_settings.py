"""What is set by file, environment and option; output that is quiet, plain or for programs."""

import json
import os
import pty
import signal
import subprocess
import sys
import time

import pytest

from automask.api import plain
from automask.api.plain import PlainDisplay
from automask.hpo.limits import Limits
from automask.hpo.progress import Event
from automask.space.space_file import load
from automask.study.run import SearchEnd, SearchStart
from automask.study.summary import Overview
from helpers.commands import automask, refused
from helpers.searches import wait_for

SEARCH = ("search", "--space", "space.toml", "--folds", "2", "--workers", "1")


def begun(project, study="main"):
    return json.loads(automask(project, "trials", "--study", study, "--json").stdout)


def test_an_option_goes_before_the_environment_and_that_before_the_file(project):
    file = project / "automask.toml"
    file.write_text(file.read_text().replace("folds = 5", "folds = 3\ntrials = 1\nworkers = 1"))
    common = {"AUTOMASK_SPACE": "space.toml"}
    asked = {
        "by-file": ((), {}),
        "by-environment": ((), {"AUTOMASK_FOLDS": "2", "AUTOMASK_TRIALS": "2"}),
        "by-option": (("--folds", "4"), {"AUTOMASK_FOLDS": "2"}),
    }
    for study, (options, environment) in asked.items():
        out = automask(project, "search", *options, AUTOMASK_STUDY=study, **common, **environment)
        assert out.returncode == 0, out.stderr
    counts = {
        study: [len(one["folds"]) for one in begun(project, study) if one["state"] == "complete"]
        for study in asked
    }
    assert [len(folds) for folds in counts.values()] == [1, 2, 1]
    assert [folds[0] for folds in counts.values()] == [3, 2, 4]


def test_what_the_environment_or_the_file_says_wrong_is_told_with_its_name(project):
    out = automask(project, "search", AUTOMASK_TRIALS="many")
    refused(out, "AUTOMASK_TRIALS")
    file = project / "automask.toml"
    text = file.read_text()
    for line, words in (
        ('timeout = "soon"', "search.timeout: write it as 90m"),
        ('disk = "little"', "search.disk: write it as 500MB"),
        ("trials = 0", "search.trials"),
        ('workers = "some"', "search.workers"),
    ):
        file.write_text(text.replace("folds = 5", line))
        refused(automask(project, "search"), words)


def test_quiet_leaves_the_outcome(project):
    out = automask(project, *SEARCH, "--trials", "1", "--quiet")
    assert out.returncode == 0, out.stderr
    first, *rest = out.stdout.splitlines()
    assert first == "1 trials are complete or pruned: 1 complete, 0 pruned, 0 failed"
    assert [line.partition(" ")[0] for line in rest] == ["best:", "next:"]
    out = automask(project, "ensemble", AUTOMASK_QUIET="1")
    assert out.stdout == "wrote submission.csv: 9 rows checked against the sample submission\n"


def test_every_listing_comes_as_json(project):
    assert automask(project, *SEARCH, "--trials", "2").returncode == 0
    assert automask(project, "ensemble").returncode == 0
    assert automask(project, "submit").returncode == 0
    for command in (
        ("status",),
        ("trials",),
        ("show", "0"),
        ("importance",),
        ("suspects",),
        ("submissions",),
        ("audit", "--space", "space.toml"),
        ("advise", "--space", "space.toml"),
        ("licences",),
        ("search", "--space", "space.toml", "--dry-run"),
    ):
        out = automask(project, *command, "--json")
        assert out.returncode == 0, out.stderr
        assert json.loads(out.stdout) is not None
    assert [trial["number"] for trial in begun(project)] == [0, 1]
    assert begun(project)[0]["recipe"]["training"]["image_size"]


def test_a_dry_run_says_what_is_first_and_leaves_no_study(project):
    out = automask(project, *SEARCH, "--trials", "600000", "--dry-run", "--timeout", "1s")
    assert out.returncode == 0, out.stderr
    said = ("the default recipe", "GFLOP", " of 2 folds by 1 worker", "--timeout")
    for words in said:
        assert words in out.stdout
    refused(automask(project, "status"), "no study 'main'")
    assert automask(project, *SEARCH, "--trials", "2").returncode == 0
    out = automask(project, *SEARCH, "--trials", "6", "--dry-run")
    assert "4 more trials" in out.stdout and "by the trials of this study" in out.stdout
    assert len(begun(project)) == 2
    refused(automask(project, *SEARCH, "--dry-run", "--space", "none.toml"), "no search space")


def test_a_tracker_that_is_not_to_be_had_leaves_no_study(project):
    refused(automask(project, *SEARCH, "--tracker", "mlflo"), "did you mean 'mlflow'?")
    (project / "plugins").mkdir()
    (project / "plugins/lacking.py").write_text(
        "from automask import tracker\n\n\n@tracker()\ndef lacking(study, folder):\n"
        '    """A tracker of a package that isn\'t here."""\n    import not_here\n'
    )
    out = automask(project, *SEARCH, "--trials", "1", "--tracker", "lacking")
    refused(out, "needs not_here", "pip install not_here")
    refused(automask(project, "status"), "no study 'main'")
    refused(automask(project, *SEARCH, "--json"), "--dry-run")


def test_init_begins_with_what_to_do_next(project):
    lines = automask(project, "init", "data", "--force").stdout.splitlines()
    assert lines[0].startswith("wrote automask.toml")
    assert lines[1].startswith("next: automask search")
    assert lines[2].startswith("then: automask ensemble")
    assert not lines[3]


def test_a_long_search_says_a_line_an_hour(capsys, monkeypatch):
    now = time.time()
    monkeypatch.setattr(plain.time, "time", lambda: now)
    display, recipe = PlainDisplay(), load("demo").default()[0]
    display.publish(SearchStart(Overview("macro_f1"), Limits(50), 1, 3))
    news = Event("begin", 0, recipe)
    for hours in (0.5, 1.1, 1.9, 2.05, 7.3):
        now = display.begin + hours * 3600
        display.publish(news)
    now += 3600
    display.publish(SearchEnd("the time is up", "macro_f1", []))
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "66 min so far",
        "2 h 3 min so far",
        "7 h 18 min so far",
        "the time is up",
    ]


def complete(shell, words, **environment):
    asked = {"_AUTOMASK_COMPLETE": f"complete_{shell}", **environment}
    if shell == "bash":
        asked |= {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    return automask(".", _TYPER_COMPLETE_ARGS=words, **asked).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands_and_options(shell):
    assert "weights" in complete(shell, "automask wei", _TYPER_COMPLETE_FISH_ACTION="get-args")
    more = complete(shell, "automask search --warm", _TYPER_COMPLETE_FISH_ACTION="get-args")
    assert "--warm-start" in more


def test_the_completion_script_can_be_shown():
    assert "_AUTOMASK_COMPLETE=complete_bash" in automask(".", "--show-completion", "bash").stdout


def coloured(*arguments, **environment):
    """What a command prints in a terminal."""
    near, far = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "automask", *arguments],
        stdout=far,
        stderr=far,
        env={**os.environ, "TERM": "xterm-256color", **environment},
    )
    os.close(far)
    parts = []
    while True:
        try:
            part = os.read(near, 65536)
        except OSError:
            break
        if not part:
            break
        parts.append(part)
    process.wait()
    os.close(near)
    return b"".join(parts).decode()


def test_no_color_is_heeded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "\x1b[31m" in coloured("status")
    assert "\x1b[31m" not in coloured("status", NO_COLOR="1")


def test_codes_at_the_end(project):
    assert automask(project, "--help").returncode == 0
    assert automask(project, "serch").returncode == 2
    assert automask(project, "search", "--no-such").returncode == 2
    process = subprocess.Popen(
        [sys.executable, "-m", "automask", *SEARCH, "--trials", "1000"],
        cwd=project,
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: list(project.glob("runs/main/trials/*/fold0.npz")), 500)
    process.send_signal(signal.SIGINT)
    assert "the same command goes on" in process.communicate()[0]
    assert process.returncode == 130


def test_plugins_as_json(project):
    listed = json.loads(automask(project, "plugins", "--json").stdout)
    assert {plugin["kind"] for plugin in listed} >= {"loss", "freeze", "reader", "tracker"}
    losses = json.loads(automask(project, "plugins", "loss", "--json").stdout)
    assert losses == [plugin for plugin in listed if plugin["kind"] == "loss"]
    (focal,) = (plugin for plugin in losses if plugin["name"] == "focal")
    assert focal["hyperparameters"]["gamma"]["default"] == 2.0
    assert focal["abilities"]["target"] == "single" and focal["origin"] == "built in"
    refused(automask(project, "plugins", "noise", "--json"), "unknown kind 'noise'")
