"""After training: submissions kept, listed, compared, merged and voted on."""

import csv
import io
import json
import shutil
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from typer.testing import CliRunner

from automask.cli import app
from automask.data import config, description
from automask.data.synthetic.competition import draw_competition
from automask.errors import UserError
from automask.report import answers, archive, comparison, comparison_page
from automask.report.votes import majority, vote
from automask.storage.project import Project
from automask.storage.study_store import StudyStore
from automask.storage.submission_store import SubmissionStore
from helpers.commands import automask, refused
from helpers.competition import draw_table
from helpers.csv_files import rows, write


def run(*arguments):
    """A command in this process; its output. A refusal is raised."""
    result = CliRunner(env={"COLUMNS": "80"}).invoke(app.app, list(map(str, arguments)))
    if result.exception:
        raise result.exception
    return result.output


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("masks")
    draw_competition(folder / "data", train_people=8, test_people=3, size=32, seed=0)
    reader, tables = description.find_reader(folder / "data")
    (folder / "automask.toml").write_text(
        config.render(str(folder / "data"), reader, tables), "utf-8"
    )
    return folder


@pytest.fixture
def masks(drawn, tmp_path, monkeypatch):
    """The ids of a drawn mask competition whose automask.toml is here, and two submissions to it: in
    b.csv five rows of a.csv have another class."""
    shutil.copy(drawn / "automask.toml", tmp_path)
    monkeypatch.chdir(tmp_path)
    ids = [row[0] for row in rows(drawn / "data/eval/info.csv")[1:]]
    write("a.csv", ("ImageID", "ans"), [(name, 0) for name in ids])
    changed = dict(zip(ids[2:7], ("3", "3", "3", "17", "4"), strict=True))
    write("b.csv", ("ImageID", "ans"), [(name, changed.get(name, 0)) for name in ids])
    return ids


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A folder without automask.toml, and three files from elsewhere, in orders of their own."""
    monkeypatch.chdir(tmp_path)
    write("a.csv", ("id", "label"), [("x", "01"), ("y", "2"), ("z", "2"), ("w", "5")])
    write("b.csv", ("id", "label"), [("z", "3"), ("y", "1"), ("x", "01"), ("w", "5")])
    write("c.csv", ("id", "label"), [("w", "5"), ("z", "3"), ("y", "4"), ("x", "1")])
    return tmp_path


def test_a_majority_by_row_in_the_first_files_order(bare):
    said = run("vote", "a.csv", "b.csv", "c.csv", "-o", "out.csv")
    # x: two of three; y: all differ, so the first file's; z: outvoted; w: all agree.
    assert (bare / "out.csv").read_text() == "id,label\nx,01\ny,2\nz,3\nw,5\n"
    assert "1 unanimous, 1 tied" in said
    run("vote", "a.csv", "b.csv", "c.csv", "--weights", "0.3,0.1,0.2", "-o", "out.csv")
    # 0.3 against 0.1 + 0.2 is a tie.
    assert [row[1] for row in rows("out.csv")[1:]] == ["01", "2", "2", "5"]


votes = arrays.arrays(
    np.int64, st.tuples(st.integers(2, 5), st.integers(1, 12)), elements=st.integers(0, 3)
)


@given(votes)
def test_the_vote_is_what_counting_by_hand_gives(table):
    winner, tied = majority(table, np.ones(len(table)))
    for column, file, tie in zip(table.T.tolist(), winner, tied, strict=True):
        counts = Counter(column)
        most = [label for label in counts if counts[label] == max(counts.values())]
        assert column[file] == next(label for label in column if label in most)
        assert tie == (len(most) > 1)


@given(votes)
def test_flows_account_for_every_row(table):
    a, b = table[0], table[1]
    found = comparison.flows(a, b)
    assert sum(count for *_, count in found) == (a != b).sum()
    assert all(source != target for source, target, _ in found)
    assert [count for *_, count in found] == sorted((c for *_, c in found), reverse=True)
    for label, (in_a, in_b, both) in enumerate(comparison.by_class(a, b, 4).tolist()):
        assert in_a - both == sum(count for source, _, count in found if source == label)
        assert in_b - both == sum(count for _, target, count in found if target == label)


def test_a_hundred_thousand_rows_are_voted_and_compared(tmp_path):
    """The work is done by columns: a loop over rows in Python would take minutes."""
    rng = np.random.default_rng(0)
    ids = np.char.add("image-", np.arange(100_000).astype(str))
    files = []
    for index in range(3):
        order = rng.permutation(len(ids))
        labels = rng.integers(0, 18, len(ids)).astype(str)
        frame = pd.DataFrame({"id": ids[order], "label": labels})
        frame.to_csv(tmp_path / f"{index}.csv", index=False)
        files.append(tmp_path / f"{index}.csv")
    result = vote(files, None, None)
    compared = comparison.compare(files[0], files[1], None)
    assert len(result.frame) == len(compared.differs) == 100_000
    # Three of 18 agree once in 324, and two in one of 18.
    assert result.unanimous == pytest.approx(100_000 / 324, rel=0.3)
    assert 1 - compared.differs.mean() == pytest.approx(1 / 18, rel=0.1)


def test_a_comparison_by_class_and_by_attribute(masks):
    out = run("compare", "a.csv", "b.csv")
    assert "5 (23.8%) of 21 rows differ" in out
    lines = [line.split() for line in out.splitlines()]
    assert ["gender", "5", "23.8%", "male", "→", "female", "(5)"] in lines
    assert ["mask", "1", "4.8%", "wear", "→", "not", "wear", "(1)"] in lines
    flow = "0 wear × male × <30 → 3 wear × female × <30"
    assert [*flow.split(), "3"] in lines
    assert all(len(line.rstrip()) <= 80 for line in out.splitlines())
    assert "0 (0.0%) of 21 rows differ" in run("compare", "a.csv", "a.csv")


def test_without_data_two_files_are_compared_by_their_columns(bare):
    out = run("compare", "a.csv", "b.csv")
    assert "2 (50.0%) of 4 rows differ" in out
    with pytest.raises(UserError, match=r"automask\.toml"):
        run("compare", "a.csv", "b.csv", "--html", "out.html")
    with pytest.raises(UserError, match="no such file, and no kept submission of that name"):
        run("compare", "a.csv", "s1")


def test_attributes_from_three_files_become_the_competitions_code(masks):
    write("mask.csv", ("ImageID", "mask"), [(name, "wear") for name in masks])
    write("gender.csv", ("ImageID", "gender"), [(name, "female") for name in reversed(masks)])
    ages = ["<30", "30-59", ">=60"]
    write("age.csv", ("ImageID", "age"), [(name, ages[i % 3]) for i, name in enumerate(masks)])
    run("merge", "mask.csv", "gender.csv", "age.csv", "-o", "out.csv")
    assert rows("out.csv") == [
        ["ImageID", "ans"],
        *([name, str(3 + i % 3)] for i, name in enumerate(masks)),
    ]
    with pytest.raises(UserError, match="no file answers 'age'"):
        run("merge", "mask.csv", "gender.csv")
    with pytest.raises(UserError, match=r"mask\.csv and mask\.csv both answer 'mask'"):
        run("merge", "mask.csv", "mask.csv")
    with pytest.raises(UserError, match=r"a\.csv has no column for a target \(mask, gender, age\)"):
        run("merge", "a.csv", "mask.csv")
    write("age.csv", ("ImageID", "age"), [(name, "60") for name in masks])
    with pytest.raises(UserError, match=r"age\.csv, lines 2, 3, 4 and 18 more: '60' is no label"):
        run("merge", "mask.csv", "gender.csv", "age.csv")


def test_without_data_merged_columns_stand_side_by_side(bare):
    write("who.csv", ("id", "who"), [("y", "u"), ("x", "v"), ("w", "v"), ("z", "u")])
    run("merge", "a.csv", "who.csv")
    assert rows("merged.csv") == [
        ["id", "label", "who"],
        ["x", "01", "v"],
        ["y", "2", "u"],
        ["z", "2", "u"],
        ["w", "5", "v"],
    ]


BAD = {
    "other ids": ("id,label\nx,1\ny,1\nz,1\nq,1\n", ["bad.csv, line 5", "'q' is no id of a.csv"]),
    "too few ids": ("id,label\nx,1\ny,1\n", ["bad.csv lacks 2 of 4 ids of a.csv: 'z', 'w'"]),
    "one id twice": ("id,label\nx,1\ny,1\nz,1\nx,1\n", ["bad.csv, lines 2, 5", "more than once"]),
    "no column": ("id,lable\nx,1\ny,1\nz,1\nw,1\n", ["no column 'label'", "did you mean 'lable'"]),
    "no label": ("id,label\nx,1\ny,\nz,1\nw,1\n", ["bad.csv, line 3", "'label' is empty"]),
    "empty": ("", ["bad.csv has nothing in it"]),
    "no CSV": (b"\x89PNG\xff\x00", ["bad.csv isn't UTF-8"]),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_a_sentence(bare, what):
    content, words = BAD[what]
    (bare / "bad.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    for command in ("vote", "compare"):
        with pytest.raises(UserError) as caught:
            run(command, "a.csv", "bad.csv")
        for word in words:
            assert word in str(caught.value)
    assert not (bare / "voted.csv").exists()
    if what == "empty":
        for command in (["vote", "a.csv"], ["merge", "a.csv"], ["submit"], ["compare", "a.csv"]):
            refused(automask(bare, *command, "bad.csv"), "bad.csv has nothing in it")


def test_labels_that_the_data_do_not_have_are_refused(masks):
    write(
        "bad.csv",
        ("ImageID", "ans"),
        [(name, "18" if i == 4 else "1") for i, name in enumerate(masks)],
    )
    for command in (
        ["vote", "a.csv", "bad.csv"],
        ["compare", "a.csv", "bad.csv"],
        ["submit", "bad.csv"],
    ):
        with pytest.raises(UserError, match=r"bad\.csv, line 6: '18' is no label of 'ans'"):
            run(*command)


#: What may be wrong with a file, as bytes made from its header and rows, and a word of the sentence.
WRONG = {
    "other ids": (lambda head, body: [head, ["q", *body[0][1:]], *body[1:]], "'q' is no id"),
    "too few rows": (lambda head, body: [head, *body[1:]], "lacks 1 of 21 ids"),
    "an id twice": (lambda head, body: [head, *body, body[0]], "more than once"),
    "an unknown label": (lambda head, body: [head, [body[0][0], "no such"], *body[1:]], "no label"),
    "an empty cell": (lambda head, body: [head, [body[0][0], ""], *body[1:]], "is empty"),
    "no such column": (lambda head, body: [[head[0], "other"], *body], "column"),
    "the id alone": (lambda head, body: [[row[0]] for row in [head, *body]], "column"),
    "a row too long": (lambda head, body: [head, [*body[0], "1"], *body[1:]], "3 cells"),
    "no rows": (lambda head, body: [head], "no rows"),
    "nothing": (lambda head, body: [], "nothing in it"),
    "no text": (None, "UTF-8"),
    "no file": (None, "bad.csv"),
    "a folder": (None, "bad.csv"),
}
COMMANDS = {
    "vote": ("vote", "good.csv", "bad.csv"),
    "vote, first": ("vote", "bad.csv", "good.csv"),
    "compare": ("compare", "good.csv", "bad.csv"),
    "compare, first": ("compare", "bad.csv", "good.csv"),
    "compare --html": ("compare", "good.csv", "bad.csv", "--html", "out.html"),
    "submit": ("submit", "bad.csv"),
    "merge": ("merge", "bad.csv", "gender.csv", "age.csv"),
}


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("command", COMMANDS)
def test_whatever_is_wrong_every_command_says_it(masks, command, what, monkeypatch, capsys):
    values = {"mask": "wear", "gender": "male", "age": "<30"}
    for name, value in values.items():
        write(f"{name}.csv", ("ImageID", name), [(id, value) for id in masks])
    shutil.copy("a.csv", "good.csv")
    change, word = WRONG[what]
    if change is not None:
        head, *body = rows("mask.csv" if command == "merge" else "a.csv")
        with open("bad.csv", "w", newline="") as opened:
            csv.writer(opened, lineterminator="\n").writerows(change(head, body))
    elif what == "no text":
        Path("bad.csv").write_bytes(b"ImageID,ans\n\xff\xfe,1\n")
    elif what == "a folder":
        Path("bad.csv").mkdir()
    before = sorted(Path().rglob("*"))
    monkeypatch.setattr("sys.argv", ["automask", *COMMANDS[command]])
    with pytest.raises(SystemExit) as ended:
        app.main()
    said = capsys.readouterr()
    assert ended.value.code == 2 and said.err.startswith("error: ")
    assert word in said.err and "bad.csv" in said.err, said.err
    # Nothing was written.
    assert sorted(Path().rglob("*")) == before


def test_weights_that_do_not_fit_are_refused(bare):
    for weights in ("1", "1,0", "1,x", "1,nan"):
        with pytest.raises(UserError, match="--weights"):
            run("vote", "a.csv", "b.csv", "--weights", weights)


def test_a_submission_is_kept_once_and_its_score_noted(masks, tmp_path):
    assert "kept a.csv as 's1', CV unknown" in run("submit", "a.csv")
    with pytest.raises(UserError, match="kept already, as 's1'"):
        run("submit", "a.csv")
    run("submit", "b.csv", "--name", "mine")
    write("c.csv", ("ImageID", "ans"), [(name, 1) for name in masks])
    with pytest.raises(UserError, match="another submission is kept under that name"):
        run("submit", "c.csv", "--name", "mine")
    with pytest.raises(UserError, match="--name"):
        run("submit", "c.csv", "--name", "../c")
    write("turned.csv", ("ImageID", "ans"), [(name, 1) for name in reversed(masks)])
    with pytest.raises(UserError, match=r"turned\.csv isn't what .* from row 2 on"):
        run("submit", "turned.csv")
    run("submit", "--score", "0.7525", "mine")
    store = SubmissionStore(tmp_path / "runs/submissions")
    assert store.names() == ["s1", "mine"]
    assert store.facts("mine")["leaderboard"] == 0.7525
    assert store.facts("mine")["cv"] is None
    assert store.csv("mine").read_bytes() == (tmp_path / "b.csv").read_bytes()
    for wrong in ("mien", "../mine"):
        with pytest.raises(UserError, match="no kept submission"):
            run("submit", "--score", "0.5", wrong)
    assert "5 (23.8%) of 21 rows differ" in run("compare", "s1", "mine")
    run("submit", "c.csv")
    said = run("submissions")
    assert "0.7525" in said
    # No row of the others is 1; of equals the older is named.
    assert "s2 differs most from s1: in 100.0% of the rows" in said


def test_of_submissions_kept_at_once_each_has_its_own_name(masks, tmp_path, monkeypatch):
    slow = SubmissionStore.save

    def save(*arguments):
        time.sleep(0.05)  # long enough for others to look for a free name
        slow(*arguments)

    monkeypatch.setattr(SubmissionStore, "save", save)
    files = [
        write(f"f{i}.csv", ("ImageID", "ans"), [(name, i) for name in masks]) for i in range(4)
    ]
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(lambda file: archive.archive(Project(), Path(file), None, None).name, files)
        )
    assert sorted(found) == sorted(Project().submissions.names()) == ["s1", "s2", "s3", "s4"]


def test_a_commit_is_noted_where_there_is_one(masks, tmp_path):
    run("submit", "a.csv")
    store = SubmissionStore(tmp_path / "runs/submissions")
    assert store.facts("s1")["commit"] is None
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    run("submit", "b.csv")
    assert len(store.facts("s2")["commit"]) == 40


def test_the_correlation_is_spearmans_from_three_pairs_on():
    def facts(cv, score, metric="macro_f1"):
        nested = {"value": cv}
        return {"metric": metric, "cv": {"nested": nested} if cv else None, "leaderboard": score}

    pairs = [facts(0.5, 0.3), facts(0.6, 0.31), facts(None, 0.9), facts(0.9, None)]
    assert archive.correlations(pairs) == {}
    assert archive.correlations([*pairs, facts(0.99, 0.9, "accuracy")]) == {}
    assert archive.correlations([*pairs, facts(0.7, 9.0)]) == {"macro_f1": (pytest.approx(1), 3)}
    assert archive.correlations([*pairs, facts(0.7, 0.1)]) == {"macro_f1": (pytest.approx(-0.5), 3)}


def test_the_ensembles_facts_follow_its_submission(project, monkeypatch):
    search = ("search", "--space", "space.toml", "--folds", "3", "--workers", "1", "--trials", "1")
    assert automask(project, *search).returncode == 0
    assert automask(project, "ensemble", "--method", "mean").returncode == 0
    monkeypatch.chdir(project)
    (project / "submission.csv").rename(project / "elsewhere.csv")
    assert "macro_f1 0." in run("submit", "elsewhere.csv")
    facts = SubmissionStore(project / "runs/submissions").facts("s1")
    assert facts["study"] == "main" and facts["method"] == "mean"
    assert facts["cv"]["nested"].keys() == {"value", "low", "high"} == facts["cv"]["plain"].keys()
    assert facts["view"] == "none" and facts["methods"].keys() == {"mean"}
    assert len(facts["priors"]["estimated"]) == len(facts["classes"]) == 3
    table = facts["calibration"]["after"]["reliability"]
    assert sum(row["count"] for row in table) == 30
    folders = {folder.name for folder in (project / "runs/main/trials").iterdir()}
    assert {member["recipe"] for member in facts["members"]} <= folders
    frame = pd.read_csv("elsewhere.csv", dtype=str, keep_default_na=False)
    frame.loc[0, "label"] = "2" if frame.loc[0, "label"] != "2" else "01"
    frame.to_csv("changed.csv", index=False)
    told = "by confidence of study 'main'"
    assert told in run("compare", "s1", "changed.csv")
    assert told in run("compare", "changed.csv", "changed.csv", "--study", "main")
    assert told not in run("compare", "changed.csv", "changed.csv")
    # The classes of the file are where the stored probabilities are largest.
    data = answers.load_data(Project(project))
    compared = comparison.compare(project / "elsewhere.csv", project / "changed.csv", data)
    table = comparison.probability(compared, StudyStore(project / "runs/main").ensembles()[-1])
    assert (table.argmax(1) == compared.classes.rows[0]).all()
    with pytest.raises(UserError, match="no ensemble in"):
        run("compare", "s1", "changed.csv", "--study", "other")
    refused(automask(project, "search", "--study", "submissions"), "not 'cache' or 'submissions'")


def test_bands_of_confidence_hold_every_row_once():
    confidence = np.linspace(0, 1, 23)
    found = comparison.by_confidence(confidence < 0.5, confidence)
    assert sum(rows for _, _, rows, _ in found) == 23
    assert [differ for *_, differ in found] == sorted(differ for *_, differ in found)
    assert found[0][1] == 1 and found[-1][0] == 0


def test_of_many_rows_some_evenly_spread_are_shown(masks, monkeypatch):
    monkeypatch.setattr(comparison_page, "PICTURES", 3)
    out = run("compare", "a.csv", "b.csv", "--html", "out.html")
    assert "5 rows that differ, 3 of them, evenly spread, with pictures" in out
    with pytest.raises(UserError, match="can't be written"):
        run("compare", "a.csv", "b.csv", "--html", "no/such/out.html")


def test_whatever_people_name_stays_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nasty = "</script><script>alert('x')</script> & \u2028 <!-- {{ content }}"
    column, name = f"label {nasty}", "<script>.png"
    draw_table(tmp_path / "data")
    for file in ("train.csv", "sample_submission.csv"):
        path = tmp_path / "data" / file
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        table["label"] = table["label"].replace("2", nasty)
        table.rename(columns={"label": column}).to_csv(path, index=False)
    (tmp_path / "data/images/t0.png").rename(tmp_path / "data/images" / name)
    for file in ("test.csv", "sample_submission.csv"):
        path = tmp_path / "data" / file
        path.write_text(path.read_text().replace("t0", "<script>"))
    run("init", "data")
    ids = [*(f"t{index}" for index in range(1, 9)), "<script>"]
    write("a.csv", ("id", column), [(id, nasty) for id in ids])
    write("<script>.csv", ("id", column), [(id, "01") for id in ids])
    run("compare", "a.csv", "<script>.csv", "--html", "out.html")
    text = (tmp_path / "out.html").read_text("utf-8")
    assert text.count("<script") == text.count("</script") == 2  # the data and the page's own
    assert "<title>a.csv against &lt;script&gt;.csv</title>" in text
    content = json.loads(text.partition('id="data">')[2].partition("</script>")[0])
    assert content["columns"] == ["id", column]
    assert {row["id"] for row in content["rows"]} == set(ids)
    assert {kind["label"] for kind in content["classes"]} >= {nasty, "01"}
    assert "http://" not in text and "https://" not in text


def test_in_a_browser_rows_are_filtered_stepped_through_and_decided(browser, masks, tmp_path):
    run("compare", "a.csv", "b.csv", "--html", "out.html")
    address = (tmp_path / "out.html").as_uri()

    def all_(selector):
        return browser.find_elements("css selector", selector)

    def press(key):
        all_("body")[0].send_keys(key)

    def now():
        return all_(".card.now .id")[0].text

    browser.get(address)
    assert len([card for card in all_(".card") if card.is_displayed()]) == 5
    assert browser.execute_script("return [...document.images].every((i) => i.naturalWidth > 0)")
    flows = all_("#flow option")
    assert flows[1].text == "0 wear × male × <30 → 3 wear × female × <30 (3)"
    flows[1].click()
    assert len([card for card in all_(".card") if card.is_displayed()]) == 3
    assert now() == masks[2]
    press("j")
    assert now() == masks[3]
    press("k")
    press("b")  # the first takes B's class, and the next is up
    assert now() == masks[3]
    press("o")
    all_("#classes button")[11].click()
    assert now() == masks[4]
    press("a")
    assert all_("#progress")[0].text == "3 of 3 decided"
    browser.get(address)  # what was chosen is still there
    for _ in range(50):  # once the page has run
        if all_("#progress")[0].text == "3 of 5 decided":
            break
        time.sleep(0.1)
    assert all_("#progress")[0].text == "3 of 5 decided"
    assert len(all_('[aria-pressed="true"]')) == 3
    all_("#download")[0].click()
    file = tmp_path / "downloads/chosen.csv"
    for _ in range(100):
        if file.exists():
            break
        time.sleep(0.1)
    wanted = {masks[2]: "3", masks[3]: "11"}
    got = list(csv.reader(io.StringIO(file.read_text())))
    assert got == [["ImageID", "ans"], *([name, wanted.get(name, "0")] for name in masks)]
    severe = [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]
    assert severe == []
    run("submit", file)
