"""The commands as a user runs them, with good input and bad."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from helpers.commands import automask, refused
from helpers.competition import SPACE, draw, draw_table
from helpers.csv_files import rows

ROOT = Path(__file__).parents[2]

SEARCH = ("search", "--space", "space.toml", "--folds", "3", "--workers", "1")


def test_from_a_folder_to_a_submission(project):
    out = automask(project, *SEARCH, "--trials", "4")
    assert out.returncode == 0, out.stderr
    assert "4 trials are complete or pruned" in out.stdout
    out = automask(project, "ensemble", COLUMNS="80")
    assert out.returncode == 0, out.stderr
    assert "chosen without the rows scored" in out.stdout
    assert out.stdout.splitlines()[1].startswith("chosen without the rows scored")
    assert "method     " in out.stdout
    assert "weight  trial  macro_f1  differs" in out.stdout
    got, sample = rows(project / "submission.csv"), rows(project / "data/sample_submission.csv")
    assert [row[0] for row in got] == [row[0] for row in sample]
    assert got[0] == ["id", "label"]
    assert {row[1] for row in got[1:]} <= {"01", "2", "NA"}
    refused(automask(project, "ensemble", "--method", "gredy"), "did you mean 'greedy'?")
    refused(automask(project, "ensemble", "--storage", "sqlite:///other.db"), "no study 'main'")
    for method in ("mean", "stack"):
        out = automask(project, "ensemble", "--method", method, "--output", f"{method}.csv")
        assert out.returncode == 0, out.stderr
        assert len(rows(project / f"{method}.csv")) == len(sample)


def test_test_images_that_come_later_are_predicted_by_the_stored_weights(project):
    later = project / "later"
    later.mkdir()
    for name in ("test.csv", "sample_submission.csv"):
        shutil.move(project / "data" / name, later / name)
    assert automask(project, "init", "data", "--force").returncode == 0
    assert automask(project, *SEARCH, "--trials", "2").returncode == 0
    out = automask(project, "ensemble")
    assert out.returncode == 0, out.stderr
    assert "there is no test table" in out.stdout
    told = rows(project / "out_of_fold.csv")
    assert told[0] == ["id", "label", "predicted_label", "probability"]
    assert len(told) == 31
    for name in ("test.csv", "sample_submission.csv"):
        shutil.move(later / name, project / "data" / name)
    assert automask(project, "init", "data", "--force").returncode == 0
    out = automask(project, "ensemble")
    assert out.returncode == 0, out.stderr
    assert "9 new test rows" in out.stdout
    assert len(rows(project / "submission.csv")) == 10


def test_two_attributes_make_a_class(tmp_path):
    shades = {"red": (200, 40, 40), "blue": (40, 40, 200)}
    lines = ["id,image,colour,size"]
    for index in range(36):
        colour, size = list(shades)[index % 2], ["big", "small"][index // 2 % 2]
        edge = 40 if size == "big" else 16
        draw(tmp_path / f"data/{index}.png", shades[colour], index, (edge, edge))
        lines.append(f"{index},{index}.png,{colour},{size}")
    (tmp_path / "data/train.csv").write_text("\n".join(lines[:29]) + "\n")
    (tmp_path / "data/test.csv").write_text(
        "id,image\n" + "".join(f"{i},{i}.png\n" for i in range(28, 36))
    )
    (tmp_path / "data/sample_submission.csv").write_text(
        "id,size,colour\n" + "".join(f"{i},big,red\n" for i in range(28, 36))
    )
    space = SPACE + "\n[head.joint]\n[head.factored]\n"
    (tmp_path / "space.toml").write_text(space)
    assert automask(tmp_path, "init", "data").returncode == 0
    assert automask(tmp_path, *SEARCH, "--trials", "3").returncode == 0
    out = automask(tmp_path, "ensemble")
    assert out.returncode == 0, out.stderr
    assert "colour alone" in out.stdout
    assert "size alone" in out.stdout
    assert rows(tmp_path / "submission.csv")[0] == ["id", "size", "colour"]


def test_a_folder_a_class(tmp_path):
    for name, colour in (("01", (200, 0, 0)), ("2", (0, 0, 200))):
        for index in range(8):
            draw(tmp_path / f"data/{name}/{index}.png", colour, index)
    (tmp_path / "space.toml").write_text(SPACE)
    assert automask(tmp_path, "init", "data").returncode == 0
    assert automask(tmp_path, *SEARCH, "--trials", "1").returncode == 0
    assert automask(tmp_path, "ensemble").returncode == 0
    assert {row[1] for row in rows(tmp_path / "out_of_fold.csv")[1:]} == {"01", "2"}


def test_init_keeps_the_path_as_given_and_an_older_file(project):
    text = (project / "automask.toml").read_text()
    assert 'path = "data"' in text
    refused(automask(project, "init", "data"), "automask.toml is already here", "--force")
    assert (project / "automask.toml").read_text() == text


def test_all_mistakes_of_the_configuration_are_told_at_once(project):
    (project / "automask.toml").write_text(
        '[data]\npath = "data"\nreader = "tabel"\n[search]\nfolds = 1\nmetrik = "f1"\nsplit = "x"\n'
        "[serach]\n"
    )
    refused(
        automask(project, "search"),
        "data.reader: unknown reader 'tabel': did you mean 'table'?",
        "search.folds",
        "search.metrik: unknown: did you mean 'metric'?",
        "search.split: unknown split 'x'",
        "serach: unknown: did you mean 'search'?",
    )
    text = '[data]\npath = "data"\nreader = "table"\ngruop = "group"\n'
    (project / "automask.toml").write_text(text)
    refused(automask(project, "search"), "data.gruop: unknown: did you mean 'group'?")


def edit(file, old, new, count=1):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, count))


def missing_folder(project):
    shutil.rmtree(project / "data")


def missing_file(project):
    (project / "data/images/a3.png").unlink()


def truncated_image(project):
    draw(project / "data/images/a3.jpg", (9, 9, 9), 0, (80, 80))
    content = (project / "data/images/a3.jpg").read_bytes()
    (project / "data/images/a3.jpg").write_bytes(content[: len(content) // 2])
    edit(project / "data/train.csv", "images/a3.png", "images/a3.jpg")


def no_image_column(project):
    lines = [f"z{index},{index % 3}" for index in range(30)]
    (project / "data/train.csv").write_text("\n".join(["id,label", *lines]) + "\n")
    (project / "automask.toml").unlink()


def shared_ids(project):
    edit(project / "data/test.csv", "t0,", "a0,")
    edit(project / "data/sample_submission.csv", "t0,", "a0,")
    shutil.copy(project / "data/images/a0.png", project / "data/images/t0.png")


def few_groups(project):
    text = (project / "data/train.csv").read_text()
    for group in range(2, 15):
        text = text.replace(f",g{group}\n", f",g{group % 2}\n")
    (project / "data/train.csv").write_text(text)


def empty_label(project):
    edit(project / "data/train.csv", ",01,", ",,")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (missing_folder, ["data"]),
        (missing_file, ["a3.png"]),
        (truncated_image, ["a3.jpg", "can't be read"]),
        (shared_ids, ["a0"]),
        (few_groups, ["3 folds of 2 groups"]),
        (empty_label, ["train.csv", "2"]),
    ],
)
def test_bad_data_is_a_sentence_before_anything_trains(project, spoil, words):
    spoil(project)
    refused(automask(project, *SEARCH, "--trials", "1"), *words)
    assert not list(project.glob("runs/main/trials/*"))


def test_init_refuses_what_it_cannot_understand(project):
    refused(automask(project, "init", "nowhere", "--force"), "nowhere: no such folder")
    (project / "empty").mkdir()
    refused(automask(project, "init", "empty", "--force"), "empty", "table")
    no_image_column(project)
    refused(automask(project, "init", "data"), "none of its columns", "image = ")
    shutil.copytree(project / "data/images", project / "classes/full")
    (project / "classes/void").mkdir()
    draw(project / "classes/other/x.png", (1, 2, 3), 0)
    refused(automask(project, "init", "classes"), "void")


def test_an_unknown_plugin_gets_a_suggestion(project):
    (project / "space.toml").write_text(SPACE.replace("[loss.focal]", "[loss.focl]"))
    refused(automask(project, *SEARCH), "[loss.focl]: unknown loss: did you mean 'focal'?")


def test_resuming_with_other_folds_is_refused_and_nothing_is_lost(project):
    assert automask(project, *SEARCH, "--trials", "1").returncode == 0
    kept = sorted(project.glob("runs/main/trials/*/*"))
    other = ("search", "--space", "space.toml", "--folds", "4", "--trials", "2")
    refused(automask(project, *other), "begun with 3 folds, not 4", "--study NAME")
    edit(project / "data/train.csv", ",01,", ",2,")
    refused(automask(project, *SEARCH, "--trials", "2"), "labels", "--study NAME")
    refused(automask(project, "ensemble"), "labels")
    assert sorted(project.glob("runs/main/trials/*/*")) == kept


def test_an_ensemble_without_a_study_is_a_sentence(project):
    refused(automask(project, "ensemble"), "no study 'main'")
    refused(automask(project, "ensemble", "--study", "other"), "no study 'other'")
    os.remove(project / "automask.toml")
    refused(automask(project, "ensemble"), "automask init DATA")


@pytest.mark.skipif(
    os.geteuid() == 0 and shutil.which("setpriv") is None,
    reason="root may write anywhere, and there is no setpriv to give that up",
)
def test_a_read_only_folder_is_a_sentence(project):
    project.chmod(0o555)
    meek = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
    out = subprocess.run(
        [*meek, sys.executable, "-m", "automask", *SEARCH, "--trials", "1"],
        cwd=project,
        capture_output=True,
        text=True,
    )
    project.chmod(0o755)
    refused(out, "can't be written")


def test_the_wheel_holds_every_module_and_space(tmp_path):
    for name in ("automask", "plugins", "search_spaces"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    code = (
        "from setuptools.build_meta import build_wheel; import sys; print(build_wheel(sys.argv[1]))"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=tmp_path, check=True, capture_output=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if "dist-info" not in name}
    package = ROOT / "automask"
    tree = {
        str(file.relative_to(ROOT))
        for pattern in ("*.py", "*.html")
        for file in package.rglob(pattern)
    }
    tree |= {f"automask/plugins/{f.name}" for f in (ROOT / "plugins").glob("*.py")}
    tree |= {
        f"automask/search_spaces/{f.name}"
        for f in (ROOT / "search_spaces").glob("*.*")
        if f.is_file()
    }
    assert held == tree | {"automask/py.typed"}


HEAVY = {"torch", "timm", "numpy", "pandas", "sklearn", "optuna", "cv2", "albumentations", "jinja2"}


@pytest.mark.parametrize(
    ("command", "heavy"), [("--help", HEAVY | {"pydantic", "rich"}), ("plugins", HEAVY)]
)
def test_nothing_heavy_is_imported_before_it_is_needed(tmp_path, command, heavy):
    out = automask(tmp_path, command, PYTHONPROFILEIMPORTTIME="1")
    assert out.returncode == 0
    lines = out.stderr.splitlines()
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert "automask" in imported
    assert not imported & heavy


def test_help_has_a_whole_line_for_each_command(tmp_path):
    out = automask(tmp_path, "--help", COLUMNS="80")
    assert out.returncode == 0
    commands = out.stdout.partition("Commands:")[2].strip().splitlines()
    assert [line.split()[0] for line in commands] == [
        "init",
        "search",
        "ensemble",
        "distill",
        "try",
        "demo",
        "export",
        "predict",
        "bundle",
        "plugins",
        "look",
        "advise",
        "audit",
        "status",
        "dashboard",
        "trials",
        "show",
        "train",
        "importance",
        "submit",
        "submissions",
        "compare",
        "merge",
        "vote",
        "report",
        "suspects",
        "relabel",
        "label",
        "weights",
        "doctor",
        "licences",
    ]
    assert all(line.endswith(".") and not line.endswith("...") for line in commands)


BROKEN = '''"""A loss with a typo."""
from automask import loss


@loss()
def typo(logits, target, class_counts):
    """Names something that isn't there [see the docs]."""
    return logit.sum(-1)
'''


def test_a_plugin_that_raises_fails_its_trials_and_mended_goes_on(project):
    (project / "plugins").mkdir()
    (project / "plugins/mine.py").write_text(BROKEN)
    space = SPACE.replace("[loss.cross_entropy]", "[loss.typo]")
    (project / "space.toml").write_text(
        space.replace("[loss.focal]\ngamma = { low = 0.5, high = 2.0 }", "")
    )
    out = automask(project, *SEARCH, "--trials", "3")
    refused(out)
    assert "10 trials in a row failed" in out.stdout
    assert "NameError: name 'logit' is not defined (" in out.stdout
    assert "mine.py, line 8" in out.stdout
    mended = BROKEN.replace("logit.sum(-1)", "-(target * logits.log_softmax(-1)).sum(-1)")
    (project / "plugins/mine.py").write_text(mended)
    out = automask(project, *SEARCH, "--trials", "3")
    assert out.returncode == 0, out.stdout
    assert "10 failed" in out.stdout


def test_a_table_without_groups_and_without_a_test_table_is_searched(tmp_path):
    draw_table(tmp_path / "data", group=False, test=0)
    (tmp_path / "space.toml").write_text(SPACE)
    assert automask(tmp_path, "init", "data").returncode == 0
    out = automask(tmp_path, *SEARCH, "--trials", "1")
    assert out.returncode == 0, out.stderr


def test_other_weights_than_the_study_had_predict_nothing(project):
    import timm
    from safetensors.torch import save_file

    (project / "weights").mkdir()
    save_file(
        timm.create_model("test_resnet").state_dict(), project / "weights/test_resnet.safetensors"
    )
    space = SPACE.replace("pretrained = false", "pretrained = true").replace("[freeze.full]", "")
    space = space.replace("norm_and_head", "head_only")
    (project / "space.toml").write_text(space)
    (project / "data/test.csv").rename(project / "test.csv")
    (project / "data/sample_submission.csv").rename(project / "sample_submission.csv")
    assert automask(project, "init", "data", "--force").returncode == 0
    out = automask(project, *SEARCH, "--trials", "1", "--weights", "weights")
    assert out.returncode == 0, out.stderr
    for name in ("test.csv", "sample_submission.csv"):
        (project / name).rename(project / "data" / name)
    assert automask(project, "init", "data", "--force").returncode == 0
    (project / "weights").rename(project / "elsewhere")
    refused(automask(project, "ensemble"), "bring back the folder", "test_resnet")
    (project / "elsewhere").rename(project / "weights")
    assert automask(project, "ensemble").returncode == 0
    assert len(rows(project / "submission.csv")) == 10
