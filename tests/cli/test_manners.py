"""What a command does in surroundings that aren't kind to it."""

import os
import shutil
import subprocess
import sys

import pytest
from filelock import FileLock

from automask.data.config import load
from automask.errors import UserError
from automask.hpo.progress import Step
from automask.storage.project import Project
from automask.storage.text_file import parse_toml
from automask.study import opening
from automask.study.session import Options
from helpers.commands import automask, refused
from helpers.competition import COLOURS, SPACE, draw
from helpers.csv_files import rows
from helpers.searches import searcher, states

PROGRAM = (sys.executable, "-m", "automask")
SEARCH = ("search", "--space", "space.toml", "--folds", "3", "--workers", "1")


def run(folder, *arguments, encoding="utf-8", **environment):
    """A program run in `folder`, whose output is read in that encoding."""
    return subprocess.run(
        list(map(str, arguments)),
        cwd=folder,
        capture_output=True,
        encoding=encoding,
        timeout=600,
        env={**os.environ, "COLUMNS": "200", **environment},
    )


def piped(folder, command, **environment):
    """A command whose output nobody reads to the end, as `head` has gone after its first line."""
    line = f"{sys.executable} -m automask {command} | head -1; exit ${{PIPESTATUS[0]}}"
    out = run(folder, "bash", "-c", line, **environment)
    assert not out.stderr
    return out.returncode


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_no_work_is_lost_where_the_output_ends_in_head(project, unbuffered):
    environment = {"PYTHONUNBUFFERED": unbuffered}
    assert piped(project, " ".join((*SEARCH, "--trials", "2")), **environment) == 0
    assert piped(project, "trials --state complete --csv trials.csv", **environment) == 0
    assert len(rows(project / "trials.csv")) == 3
    assert piped(project, "ensemble", **environment) == 0
    assert len(rows(project / "submission.csv")) == 10


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_lacks_the_letters(tmp_path, encoding):
    for name, colour in zip(("고양이", "강아지"), COLOURS.values(), strict=False):
        for index in range(8):
            draw(tmp_path / f"data/{name}/{index}.png", colour, index)
    (tmp_path / "space.toml").write_text(SPACE)
    for command in (("init", "data"), (*SEARCH, "--trials", "1"), ("ensemble",)):
        out = run(
            tmp_path, *PROGRAM, *command, encoding=encoding, PYTHONIOENCODING=encoding, LC_ALL="C"
        )
        assert out.returncode == 0, out.stderr
        assert "\\uac15\\uc544\\uc9c0" in out.stdout or command[0] == "search"
    written = (tmp_path / "out_of_fold.csv").read_text("utf-8")
    assert "고양이" in written


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_toml_files_begin_with_a_mark(project, encoding):
    for name in ("automask.toml", "space.toml"):
        text = (project / name).read_text("utf-8").replace("\n", "\r\n")
        (project / name).write_bytes(text.encode(encoding))
    out = automask(project, *SEARCH, "--trials", "1")
    assert out.returncode == 0, out.stderr


def test_another_encoding_is_refused_in_a_sentence(project):
    (project / "automask.toml").write_bytes('[data]\npath = "자료"\n'.encode("cp949"))
    refused(automask(project, "search"), "automask.toml: isn't UTF-8 text", "save it as UTF-8")


@pytest.mark.parametrize(
    ("line", "slashes"),
    [
        (r'path = "C:\data"', 'path = "C:/data"'),
        (r'path = "C:\Users\me"', 'path = "C:/Users/me"'),
        ('path = "C:\\data\\"\n', 'path = "C:/data/"'),
    ],
)
def test_windows_paths_in_toml(line, slashes):
    with pytest.raises(UserError, match=r"isn't TOML.*single quotes") as caught:
        parse_toml(line, "automask.toml")
    assert f"write {slashes}: a backslash" in str(caught.value)


def test_windows_paths_that_are_right_toml(inside):
    text = (inside / "automask.toml").read_text()
    (inside / "automask.toml").write_text(text.replace('"data"', r'"C:\new\train"'))
    with pytest.raises(UserError, match=r"data\.path: .*has an escape where a path has none"):
        load(Project())
    shutil.copytree(inside / "data", inside / "all/data")
    (inside / "automask.toml").write_text(text.replace('"data"', r"'all\data'"))
    out = automask(inside, "audit", "--space", "space.toml")
    assert out.returncode == 0, out.stderr


def test_file_names_that_are_no_text(tmp_path):
    for name in ("고양이", "강아지"):
        for index in range(6):
            draw(tmp_path / f"data/{name}/{index}.png", (200, 40, 40), index)
    out = run(
        tmp_path, *PROGRAM, "init", "data", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0"
    )
    refused(out, "is UTF-8, and names are ascii in this environment", "PYTHONUTF8=1")
    for name in ("고양이", "강아지"):
        os.rename(
            tmp_path / f"data/{name}", os.fsencode(tmp_path / "data") + b"/" + name.encode("cp949")
        )
    words = ("aren't UTF-8", " in cp949", "convmv -f cp949 -t utf-8 -r --notest data")
    refused(automask(tmp_path, "init", "data"), *words)
    (tmp_path / "automask.toml").write_text('[data]\npath = "data"\nreader = "folders"\n')
    (tmp_path / "space.toml").write_text(SPACE)
    refused(automask(tmp_path, *SEARCH), *words)


def test_what_never_trained_can_still_change(study, inside, heard):
    # A fold that was cut off.
    searcher(study, 1, lambda recipe, report, ends: report(Step(0, 1, 3, 0.0)) or 1 / 0).run()
    table = inside / "data/train.csv"
    table.write_text(table.read_text().replace(",01,", ",2,", 1))
    options = Options(space="space.toml", folds=2, metric="accuracy", seed=5)
    with FileLock(study.store.worker_lock("another")), pytest.raises(UserError, match="3 folds"):
        opening.begin(options)
    anew = opening.begin(options)
    assert [note for note in heard.notes if "begun anew" in note]
    assert not states(anew)
    assert set(anew.folds) == {0, 1}
    searcher(anew, 1).run()
    with pytest.raises(UserError, match="accuracy before, macro_f1 now"):
        opening.begin(Options(space="space.toml", folds=2, seed=5))


def test_a_search_that_fails_leaves_no_study(project):
    broken = project / "data/images/a3.png"
    content = broken.read_bytes()
    broken.write_bytes(content[:100])
    refused(automask(project, *SEARCH, "--trials", "1"), "a3.png")
    refused(automask(project, "status"), "no study 'main'")
    broken.write_bytes(content)
    other = ("--folds", "2", "--metric", "accuracy", "--trials", "1")
    out = automask(project, *SEARCH, *other)
    assert out.returncode == 0, out.stderr
    for words in (("--metric", "acuracy"), ("--space", "nothing.toml"), ("--weights", "nowhere")):
        refused(automask(project, *SEARCH, "--study", "second", *words))
        assert not (project / "runs/second").exists()


def test_a_study_stays_where_it_has_trained_before_a_search_fails(project):
    assert automask(project, *SEARCH, "--trials", "1").returncode == 0
    for file in project.glob("runs/cache/*.npy"):
        file.unlink()
    image = project / "data/images/a3.png"
    facts, content = image.stat(), image.read_bytes()
    image.write_bytes(b"x" * len(content))
    os.utime(image, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    refused(automask(project, *SEARCH, "--trials", "2"), "begun with other images")
    image.write_bytes(content)
    assert automask(project, "ensemble").returncode == 0


def test_stored_weights_that_do_not_fit_leave_their_trial_out(project):
    from safetensors.torch import load_file, save_file

    kept = project / "kept"
    kept.mkdir()
    for name in ("test.csv", "sample_submission.csv"):
        shutil.move(project / "data" / name, kept / name)
    assert automask(project, "init", "data", "--force").returncode == 0
    assert automask(project, *SEARCH, "--trials", "2").returncode == 0
    for name in ("test.csv", "sample_submission.csv"):
        shutil.move(kept / name, project / "data" / name)
    assert automask(project, "init", "data", "--force").returncode == 0
    one, two = sorted(project.glob("runs/main/trials/*"))
    state = load_file(one / "fold1.safetensors")
    name = next(name for name in state if name.startswith("head."))
    state["head.other"] = state.pop(name)
    save_file(state, one / "fold1.safetensors")
    ensemble = ("ensemble", "--method", "mean")
    out = automask(project, *ensemble)
    assert out.returncode == 0, out.stderr
    assert "is left out: fold 1's weights don't fit its recipe" in out.stdout
    assert len(rows(project / "submission.csv")) == 10
    # Two has the new rows by now: bring it others, and break it too.
    table = project / "data/test.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:-1]) + "\n")
    sample = project / "data/sample_submission.csv"
    sample.write_text(
        "\n".join(line for line in sample.read_text().splitlines() if "t8" not in line)
    )
    (two / "fold0.safetensors").write_bytes(b"nothing")
    refused(automask(project, *ensemble), "no trial is left whose stored weights fit")


def test_broken_probabilities_leave_their_trial_out(project):
    assert automask(project, *SEARCH, "--trials", "2").returncode == 0
    one, two = sorted(project.glob("runs/main/trials/*/fold1.npz"))
    one.write_bytes(one.read_bytes()[:300])
    out = automask(project, "ensemble", "--method", "mean")
    assert out.returncode == 0, out.stderr
    assert "is left out: runs/main/trials" in out.stdout and "can't be read any more" in out.stdout
    two.write_bytes(b"nothing")
    refused(automask(project, "ensemble", "--method", "mean"), "no trial is left")


#: A plugin that warns as libraries do.
NOISY = '''
import logging, warnings
from automask import loss


@loss()
def noisy(logits, target, class_counts):
    """Cross entropy in a noisy library."""
    warnings.warn("a warning of a library", UserWarning)
    logging.getLogger("timm.models").warning("a line of a log")
    return -(target * logits.log_softmax(-1)).sum(-1)
'''


@pytest.mark.parametrize("workers", [1, 2])
def test_warnings_of_libraries_do_not_stand_between_the_lines(project, workers):
    (project / "plugins").mkdir()
    (project / "plugins/noisy.py").write_text(NOISY)
    text = (
        SPACE[: SPACE.index("[loss.")] + "[loss.noisy]\n\n" + SPACE[SPACE.index("[freeze.full]") :]
    )
    (project / "space.toml").write_text(text)
    search = (*PROGRAM, *SEARCH[:-1], str(workers))
    out = run(project, *search, "--trials", "1")
    assert out.returncode == 0, out.stderr
    assert not out.stderr
    out = run(project, *search, "--trials", "2", PYTHONWARNINGS="default")
    assert "a warning of a library" in out.stderr
