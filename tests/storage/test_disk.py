"""The cap over caches and weights, and disks that are full."""

import errno
import math
import os
import shutil
import sqlite3
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automask.cli import app
from automask.data.squares import Squares
from automask.ensembles import ensemble, members
from automask.errors import DiskError, UserError
from automask.hpo import optuna_study
from automask.hpo import trials as trials_module
from automask.hpo.limits import Limits
from automask.space import registry
from automask.space.recipe import Recipe
from automask.storage import locks
from automask.storage.arrays import open_array, write_array
from automask.storage.disk import DiskBudget, Item, files_to_remove, out_of_space
from automask.storage.files import atomic_write
from automask.storage.study_store import StudyStore
from automask.study import opening, run, session, workers
from automask.study.session import Options
from automask.training.trial import fit_alone
from automask.units import format_bytes
from helpers.commands import automask, refused
from helpers.competition import SPACE

SEARCH = ("search", "--space", "space.toml", "--folds", "3", "--workers", "1")

#: Weights of a fold of SPACE's network, in bytes; the maps take a tenth of it.
FOLD = 1_509_380

orders = st.none() | st.tuples(st.integers(0, 2), st.floats(0, 10, allow_subnormal=False))
files = st.lists(st.tuples(st.integers(0, 100), st.booleans(), orders), max_size=12)


@given(files, st.integers(0, 200), st.integers(0, 500))
def test_what_goes_keeps_the_cap_wherever_that_is_possible(made, needed, cap):
    items = [Item(Path(str(n)), size, *rest) for n, (size, *rest) in enumerate(made)]
    stays = sum(item.size for item in items if item.order is None)
    going = files_to_remove(items, needed, cap)
    if going is None:
        assert stays + needed > cap
        return
    assert sum(item.size for item in items) - sum(item.size for item in going) + needed <= cap
    assert all(item.order is not None for item in going)
    left = [item for item in items if item.order is not None and item not in going]
    assert [i.order for i in going] == sorted(i.order for i in going)
    assert all(gone.order <= kept.order for gone in going for kept in left)
    if going:
        without_last = sum(item.size for item in items) - sum(item.size for item in going[:-1])
        assert without_last + needed > cap, "no more goes than it takes"


@pytest.fixture
def store(tmp_path):
    made = StudyStore(tmp_path / "runs" / "main")
    made.create()
    return made


def put(file, size, age=0.0):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(bytes(size))
    os.utime(file, (1e9 - age, 1e9 - age))
    return file


def fill(room, file, size):
    with room.write(file, size) as opened:
        opened.write(bytes(size))


def test_weights_go_before_caches_and_the_least_used_cache_before_others(store, heard):
    old, new = (put(store.cache / f"{age}.npy", 100, age) for age in (20, 10))
    trials = store.folder / "trials"
    bad, worse, good = (put(trials / name / "fold0.safetensors", 100) for name in "abc")
    others = put(trials.parent.parent / "other/trials/a/fold0.safetensors", 100)
    kept = [put(trials / "a/fold0.npz", 10_000), put(store.folder / "study.db", 10_000)]
    torn = put(trials / "c/.fold1.safetensors.part", 100)
    room = store.room(700, outranked=lambda: ["b", "a"])
    gone = []
    for expected in (torn, worse, bad, old, new):
        before = {f for f in (torn, worse, bad, old, new) if f.exists()}
        fill(room, store.cache / f"made{len(gone)}.npy", 100)
        os.utime(store.cache / f"made{len(gone)}.npy", (2e9, 2e9))
        gone += [f for f in before if not f.exists()]
        assert gone[-1] == expected
    (said,) = set(heard.notes)
    assert "700" not in said and "0.7 KB" in said
    assert good.exists() and others.exists() and all(file.exists() for file in kept)
    with pytest.raises(DiskError, match=r"big\.npy: 0\.6 KB needed.*--disk 0\.808KB or more"):
        fill(room, store.cache / "big.npy", 600)
    assert not (store.cache / "big.npy").exists()
    assert (store.cache / "made4.npy").exists(), "what can't help isn't removed either"


def test_a_cache_that_is_read_stays_until_its_last_map_is_gone(store):
    room = store.room(1000)
    write_array(store.cache / "a.npy", (400,), np.uint8, lambda out: out.fill(7), room)
    put(store.cache / "b.npy", 300, 5)
    array = open_array(store.cache / "a.npy", room)
    view = array[10:20]
    del array
    assert locks.in_use(store.cache / "a.npy")
    os.utime(store.cache / "a.npy", (0, 0))
    fill(room, store.cache / "c.npy", 300)
    assert not (store.cache / "b.npy").exists(), "younger, but nobody reads it"
    assert (view == 7).all()
    with pytest.raises(DiskError, match="in use"):
        fill(room, store.cache / "d.npy", 700)
    del view
    fill(room, store.cache / "d.npy", 700)
    assert not (store.cache / "a.npy").exists()


def test_opening_a_cache_is_a_use(store):
    file = put(store.cache / "a.npy", 0)
    np.save(file, np.zeros(3))
    os.utime(file, (0, 0))
    assert open_array(file, store.room(1000)) is not None
    assert file.stat().st_mtime > 1e9
    assert open_array(store.cache / "none.npy", store.room(1000)) is None


def test_weights_leave_room_for_the_maps(store):
    room = store.room(1000, aside=600)
    with room.write(store.folder / "fold0.safetensors", 300, weights=True):
        pass
    put(store.folder / "trials/a/fold0.safetensors", 300)
    with (
        pytest.raises(DiskError),
        room.write(store.folder / "fold1.safetensors", 200, weights=True),
    ):
        pass
    fill(room, store.cache / "a.npy", 600)


def test_blocks_are_reserved_where_there_is_no_call_for_it(store, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate")
    size = 3_000_000
    write_array(store.cache / "a.npy", (size,), np.uint8, lambda out: None, DiskBudget())
    facts = (store.cache / "a.npy").stat()
    assert facts.st_blocks * 512 >= size
    assert not open_array(store.cache / "a.npy", DiskBudget()).any()


def test_a_full_disk_is_seen_through_whatever_it_caused():
    database = sqlite3.connect(":memory:")
    database.execute("PRAGMA max_page_count = 3")
    with pytest.raises(RuntimeError) as caught:
        try:
            database.execute("CREATE TABLE t AS SELECT zeroblob(100000)")
        except sqlite3.OperationalError as error:
            raise RuntimeError("storage") from error
    assert "database or disk is full" in str(out_of_space(caught.value))
    assert out_of_space(ValueError("other")) is None
    assert out_of_space(OSError(errno.EACCES, "Permission denied")) is None
    assert "Disk quota" in str(out_of_space(OSError(errno.EDQUOT, "Disk quota exceeded")))


def test_sizes_are_told_in_three_digits():
    assert [format_bytes(size) for size in (0, 1500, 999_999, 2e7, 1.5e12)] == [
        *("0 KB", "1.5 KB", "1000 KB", "20 MB", "1.5 TB")
    ]


# A search under a cap

ONE = SPACE.replace("[freeze.norm_and_head]", "").replace(
    "epochs = { low = 1, high = 2 }", "epochs = 1"
)


def counted(root):
    found = [*root.glob("runs/cache/*"), *root.glob("runs/*/trials/*/*fold*.safetensors*")]
    return sum(file.stat().st_size for file in found)


def whole(opened):
    """The complete trials, the best first: (their store, are their weights there?)"""
    stores = [
        opened.store.trial(Recipe.from_dict(trial.user_attrs["recipe"]).hash)
        for trial in trials_module.complete_trials(opened.study)
    ]
    return [(store, store.has_weights(3)) for store in stores]


@pytest.mark.parametrize("count", [1, 2])
def test_a_search_stays_within_its_cap_and_keeps_every_probability(
    inside, monkeypatch, heard, count
):
    monkeypatch.setattr(trials_module, "TOP", 2)
    (inside / "space.toml").write_text(ONE)
    # Two trials in the running, one under way, and the maps; or too little for two workers' trials.
    cap = 3 * 3 * FOLD + 500_000 if count == 1 else 3 * FOLD
    opened = opening.begin(Options(space="space.toml", folds=3, disk=cap))
    most, over = [0], threading.Event()

    def watch():
        with_lock = opened.room()._locked
        while not over.wait(0.01):
            with with_lock():
                most.append(counted(inside))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        workers.run(opened, Limits(7), count)
    finally:
        over.set()
        thread.join()
    assert max(most) <= cap
    assert len(most) > 10
    found = whole(opened)
    assert all(store.has(fold) for store, _ in found for fold in range(3))
    notes = set(heard.notes)
    if count == 1:
        assert [kept for _, kept in found][:2] == [True, True]
        assert sum(kept for _, kept in found) < len(found)
        assert len(notes) == 1 and "keep within" in notes.pop()
    else:
        assert any("not all weights find room" in note for note in notes)


def test_a_cap_too_small_for_the_maps_is_told_with_its_cost_and_trained_without_them(project):
    out = automask(project, *SEARCH, "--disk", "100KB", "--trials", "1")
    assert out.returncode == 0, out.stderr
    for part in ("maps of 39 images need 120 KB", "100 KB in all", "--disk 121KB or more"):
        assert part in out.stdout
    assert "more an epoch of all train rows" in out.stdout
    assert not list((project / "runs/cache").glob("*.npy"))
    refused(automask(project, *SEARCH, "--disk", "20XB"), "--disk 20XB: write it as 500MB")
    shutil.rmtree(project / "runs/main")
    out = automask(project, *SEARCH, "--disk", "200KB", "--trials", "2")
    assert out.returncode == 0, out.stderr
    assert out.stdout.count("not all weights find room in the 200 KB of --disk") == 1


def test_images_without_maps_are_those_of_the_maps(inside):
    (inside / "space.toml").write_text(SPACE.replace("image_size = 32", "image_size = [16, 32]"))
    opened = opening.begin(Options(space="space.toml", folds=3, disk=100_000))
    assert not opened.mapped and opened.largest == 32
    with_maps = replace(opened, mapped=True, cap=math.inf)
    rows = np.array([[3, 38], [0, 3]])
    recipe = opened.space.default()[0]
    first = fit_alone(opened.task(), recipe, 0)
    # All of them first: a map that is there is read by everybody.
    tables = {size: opened.images().at("pad", size) for size in (16, 32)}
    for size, one in tables.items():
        other = with_maps.images().at("pad", size)
        assert isinstance(one, Squares) and not isinstance(other, Squares)
        assert one.shape == other.shape and one.nbytes == other.nbytes and len(one) == 39
        for asked in (rows, slice(5, 9), 7, np.flatnonzero(opened.folds == 1)):
            assert (one[asked] == other[asked]).all()
    second = fit_alone(with_maps.task(), recipe, 0)
    assert (first.validation == second.validation).all()


def test_an_image_that_breaks_later_is_told_where_there_are_no_maps(inside):
    opened = opening.begin(Options(space="space.toml", folds=3, disk=100_000))
    images = opened.images()
    images.paths[4].write_bytes(b"broken")
    with pytest.raises(UserError, match=images.paths[4].name):
        images.at("pad", 32)[np.arange(6)]


def test_a_map_too_large_for_what_is_left_is_read_from_the_images(inside, heard):
    text = SPACE.replace("image_size = 32", "image_size = [16, 32]")
    (inside / "space.toml").write_text(text)
    opened = opening.begin(Options(space="space.toml", folds=3, disk=200_000))
    held = opened.images().at("pad", 32)
    put(inside / "runs/other/trials/a/fold0.safetensors", 60_000)
    assert opened.images().at("pad", 16)[:].shape == (39, 16, 16, 3)
    assert any("decoded whenever" in note and "200 KB in all" in note for note in heard.notes)
    assert len(held) == 39
    assert sorted(f.suffix for f in (inside / "runs/cache").glob("*")) == sorted(
        [".npy", ".npz", *[".lock"] * 3]
    )


def test_fewer_workers_train_where_the_maps_of_more_have_no_room(inside, heard):
    text = SPACE.replace("image_size = 32", "image_size = [16, 32]")
    (inside / "space.toml").write_text(text + "\n[resize.pad]\n[resize.crop]\n[resize.squash]\n")
    opened = opening.begin(Options(space="space.toml", folds=3, disk=400_000))
    heard.notes.clear()
    assert workers._fitting(replace(opened, workers=4)).workers == 2
    assert "only 2 of 4 workers" in heard.notes[0]
    assert workers._fitting(replace(opened, workers=2)).workers == 2
    assert len(heard.notes) == 1


def test_a_recipe_given_by_hand_keeps_to_the_cap_of_its_study(inside):
    opened = opening.begin(Options(space="space.toml", folds=3, disk=400_000))
    recipe = opened.space.default()[0]
    assert run.prepare_training(recipe, Options()).cap == 400_000
    assert session.open_session(Options()).cap == 400_000


def test_the_default_is_about_the_same_when_a_study_goes_on(inside):
    before = opening.begin(Options(space="space.toml", folds=3))
    put(inside / "runs/main/trials/a/fold0.safetensors", 10_000_000)
    after = opening.begin(Options(space="space.toml", folds=3))
    assert after.cap == pytest.approx(before.cap, rel=0.01)
    assert session.open_session(Options()).cap == after.cap


# Full disks


def run_inside(monkeypatch, capsys, *arguments):
    """The command in this process: its exit code, and what it said to stderr."""
    monkeypatch.setattr(sys, "argv", ["automask", *arguments])
    with pytest.raises(SystemExit) as ended:
        app.main()
    return ended.value.code, capsys.readouterr().err


@pytest.mark.parametrize("what", ["the first map", "a smaller map", "weights", "probabilities"])
def test_a_full_disk_ends_a_search_and_more_room_lets_it_go_on(inside, monkeypatch, capsys, what):
    sizes = "image_size = [31, 32]" if what == "a smaller map" else "image_size = 32"
    (inside / "space.toml").write_text(SPACE.replace("image_size = 32", sizes))
    error = OSError(errno.ENOSPC, "No space left on device")
    reserve, savez = os.posix_fallocate, np.savez
    named = {39 * 32 * 32 * 3 + 128: "the first map", 39 * 31 * 31 * 3 + 128: "a smaller map"}

    def no_room(file, begin, size):
        if named.get(size, "weights") == what:
            raise error
        reserve(file, begin, size)

    def torn(file, **arrays):
        savez(file, **arrays)
        if "fold" in Path(file.name).name:
            raise error

    if what == "probabilities":
        monkeypatch.setattr(np, "savez", torn)
    else:
        monkeypatch.setattr(os, "posix_fallocate", no_room)
    with monkeypatch.context() as patched:
        code, err = run_inside(patched, capsys, *SEARCH, "--trials", "6")
    assert code == 2
    assert "the disk that holds runs/ is full: No space left on device" in err
    assert "the same command goes on" in err
    assert not [file for file in inside.rglob("*") if ".part" in file.name or file.name[0] == "."]
    # Where nothing has trained yet the search leaves no study.
    assert (inside / "runs/main").exists() == (what == "a smaller map")
    if what == "a smaller map":
        storage = optuna_study.open_study("sqlite:///runs/main/study.db", "main", 0, 3)
        states = [trial.state.name for trial in storage.get_trials() if "hash" in trial.user_attrs]
        assert "FAIL" not in states and "RUNNING" not in states
        assert states.count("WAITING") == 1
    monkeypatch.undo()
    monkeypatch.chdir(inside)
    code, err = run_inside(monkeypatch, capsys, *SEARCH, "--trials", "6")
    assert code == 0, err
    done = trials_module.finished_trials(
        optuna_study.open_study("sqlite:///runs/main/study.db", "main", 0, 3)
    )
    assert len(done) == 6


# Ensembles without weights


def test_a_member_whose_weights_are_gone_is_left_out_of_new_test_rows(project, monkeypatch, heard):
    later = project / "later"
    later.mkdir()
    for name in ("test.csv", "sample_submission.csv"):
        (project / "data" / name).rename(later / name)
    assert automask(project, "init", "data", "--force").returncode == 0
    assert automask(project, *SEARCH, "--trials", "3").returncode == 0
    for name in ("test.csv", "sample_submission.csv"):
        (later / name).rename(project / "data" / name)
    assert automask(project, "init", "data", "--force").returncode == 0
    monkeypatch.chdir(project)
    opened = session.open_session(Options())
    best, second, third = (store for store, _ in whole(opened))
    best.weights(1).unlink()
    able = {member.number: member.able for member in members.load_members(opened)}
    assert list(able.values()) == [True, True]
    assert "1 of 3 trials can't predict the new test rows" in heard.notes[0]
    # Out of the running: it can't predict, and is still there for the nested score.
    monkeypatch.setattr(members, "TOP", 0)
    assert sorted(m.able for m in members.load_members(opened)) == [False, True, True]
    out = automask(project, "ensemble")
    assert out.returncode == 0, out.stderr
    assert "1 of 3 trials can't predict the new test rows" in out.stdout
    assert (project / "submission.csv").exists()
    for store in (second, third):
        store.replace_test(0, store.load(0).test, "others")
        store.weights(0).unlink()
    refused(automask(project, "ensemble"), "no trial is left to predict the new test rows")


def test_who_cannot_predict_is_never_in_the_blend_and_does_not_move_the_nested_score():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 3, 90)
    table = rng.dirichlet(np.ones(3), (4, 90)) + 0.4 * np.eye(3)[target]

    def asked():
        raise AssertionError("asked for test rows that it can't predict")

    def blended(gone):
        made = [
            ensemble.Member(
                k, None, table[k], asked if k in gone else lambda: np.ones((2, 3)), k not in gone
            )
            for k in range(4)
        ]
        metric = registry.get("metric", "accuracy").function
        return ensemble.fit({"none": made}, target, np.arange(90) % 3, None, metric, "mean", top=2)

    everyone = blended(())
    best = everyone.members[0].number
    without = blended((best,))
    assert best not in [member.number for member in without.members]
    assert len(without.members) == 2
    assert without.nested.value == everyone.nested.value


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_written_to_and_stays_one(tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    with atomic_write(pipe) as path:
        path.write_text("a,b")
    reader.join(10)
    assert read == ["a,b"] and pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_link_stays_one_where_its_file_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    file, link = tmp_path / "there" / "file.csv", tmp_path / "link.csv"
    file.write_text("old")
    link.symlink_to(file)
    with atomic_write(link) as path:
        path.write_text("new")
    assert link.is_symlink() and file.read_text() == "new"
