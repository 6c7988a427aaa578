"""Labels put right and submissions chosen, by requests and in a browser."""

import csv
import functools
import json
import threading
import time

import numpy as np
import pytest

from automask.api import labels, submissions
from automask.data import config, corrections, dataset
from automask.diagnostics.suspects import find_suspects
from automask.errors import UserError
from automask.storage.project import Project
from automask.web.labelling import Labelling
from automask.web.pages import Request
from automask.web.server import listen
from helpers.csv_files import rows, write

#: Names that must not leave the project, or replace what is there.
WRONG_NAMES = (
    "../x.csv",
    "/tmp/x.csv",
    "a/b.csv",
    "..\\x.csv",
    "x.txt",
    ".csv",
    ".x.csv",
    "",
    None,
    ["x.csv"],
    "x.csv\n",
    "submission.csv",
    "corrections.csv",
    "out_of_fold.csv",
    "link.csv",
)


@pytest.fixture
def labelling(inside):
    """The pages of a project with two submissions, whose study doubts the labels of a0 and a2."""
    ids = [f"t{index}" for index in reversed(range(9))]
    write(inside / "submission.csv", ("id", "label"), [(name, "2") for name in ids])
    answers = ["01", "NA", *["2"] * 7]
    write(inside / "other.csv", ("id", "label"), zip(ids, answers, strict=True))
    project = Project()
    data = dataset.prepare(config.read(config.load(project), project, None))
    probability = np.eye(3)[data.labels] * 0.9 + 0.05
    probability[[0, 2]] = probability[[0, 2]][:, [1, 0, 2]]
    folds = np.arange(30) // 6 % 3

    @functools.cache
    def suspects():
        return find_suspects(data, probability, folds)

    take = functools.partial(labels.relabel, folder=project)
    return Labelling(
        project, "main", suspects, take, functools.partial(submissions.compare, folder=project)
    )


def shown(page):
    """What the page has as data."""
    text = page.text.partition('<script type="application/json" id="data">')[2]
    return json.loads(text.partition("</script>")[0])


PAIR = {"a": "submission.csv", "b": "other.csv"}


def test_where_no_label_is_doubted_the_page_says_so(labelling):
    right = labelling.suspects()
    data = right.data
    probability = np.eye(3)[data.labels] * 0.9 + 0.05
    calm = find_suspects(data, probability, np.arange(30) // 6 % 3)
    labelling.suspects = lambda: calm
    facts = shown(labelling.show_suspects(Request({})))
    assert facts["rows"] == [] and facts["summary"].startswith("0 of 30 labels")


def test_choices_that_a_browser_kept_are_never_of_other_rows(labelling):
    before = shown(labelling.show_suspects(Request({})))
    assert shown(labelling.show_suspects(Request({})))["key"] == before["key"]
    doubts = labelling.suspects()
    probability = np.eye(3)[doubts.data.labels] * 0.9 + 0.05
    probability[[4, 2]] = probability[[4, 2]][:, [2, 1, 0]]
    later = find_suspects(doubts.data, probability, np.arange(30) // 6 % 3)
    labelling.suspects = lambda: later
    assert shown(labelling.show_suspects(Request({})))["key"] != before["key"]


def test_suspects_are_corrected_and_put_back(labelling, inside):
    facts = shown(labelling.show_suspects(Request({})))
    assert {row["id"] for row in facts["rows"][:2]} == {"a0", "a2"}
    assert len(facts["rows"]) == 2 and facts["chosen"] == {}
    first = facts["rows"][0]
    likely = facts["classes"][first["b"]]["cells"]
    given = facts["classes"][first["a"]]["cells"]
    answer = json.loads(labelling.save_labels(Request({}, {"rows": {"0": likely}})).text)
    assert answer["text"].startswith("1 corrected, 0 put back, 0 as they were; corrections.csv")
    [one] = corrections.load(inside / "corrections.csv")
    assert (one.id, one.old, one.new) == (first["id"], given[0], likely[0])
    assert one.source == "automask label, study main"
    # Who comes back finds it decided.
    assert shown(labelling.show_suspects(Request({})))["chosen"] == {"0": first["b"]}
    answer = json.loads(labelling.save_labels(Request({}, {"rows": {"0": given}})).text)
    assert answer["text"].startswith("0 corrected, 1 put back")
    assert not (inside / "corrections.csv").exists()


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        {"rows": {}},
        {"rows": {"-1": ["01"]}},
        {"rows": {"9999": ["01"]}},
        {"rows": {"a0": ["01"]}},
        {"rows": {"0": "01"}},
        {"rows": {"0": [1]}},
        {"rows": {"0": ["01", "2"]}},
        {"rows": {"0": ["no such"]}},
        {"rows": {"0": ['01"\n=cmd()']}},
    ],
)
def test_what_no_page_sends_corrects_nothing(labelling, inside, content):
    with pytest.raises(UserError):
        labelling.save_labels(Request({}, content))
    assert not (inside / "corrections.csv").exists()


def test_a_chosen_submission_is_written_and_may_be_written_again(labelling, inside):
    facts = shown(labelling.show_comparison(Request(PAIR)))
    assert facts["save"] == {
        "address": "/compare?a=submission.csv&b=other.csv",
        "file": "chosen.csv",
    }
    assert [row["id"] for row in facts["rows"]] == ["t8", "t7"]
    for cells, wanted in ((["NA"], "NA"), (["01"], "01")):
        content = {"rows": {"1": cells}, "file": "chosen.csv"}
        answer = json.loads(labelling.save_submission(Request(PAIR, content)).text)
        assert "automask submit chosen.csv" in answer["text"]
        assert rows(inside / "chosen.csv")[:3] == [["id", "label"], ["t8", "2"], ["t7", wanted]]
    submissions.submit("chosen.csv", folder=inside)


@pytest.mark.parametrize("name", WRONG_NAMES)
def test_no_file_is_replaced_and_none_leaves_the_project(labelling, inside, name):
    (inside / "link.csv").symlink_to(inside.parent / "elsewhere.csv")
    (inside / "out_of_fold.csv").write_text("id\n")
    before = {file: file.read_bytes() for file in inside.glob("*.csv") if file.is_file()}
    with pytest.raises(UserError):
        labelling.save_submission(Request(PAIR, {"rows": {"0": ["01"]}, "file": name}))
    after = {file: file.read_bytes() for file in inside.glob("*.csv") if file.is_file()}
    assert after == before and not (inside.parent / "elsewhere.csv").exists()


@pytest.mark.parametrize(
    "name", ["../data/train.csv", "/etc/passwd", "data/train.csv", "", "nothing"]
)
def test_only_the_projects_submissions_are_compared(labelling, name):
    with pytest.raises(UserError, match="is no submission of this project"):
        labelling.show_comparison(Request({"a": "submission.csv", "b": name}))


@pytest.mark.parametrize("content", [{"rows": {"99": ["01"]}}, {"rows": {"0": ["no such"]}}])
def test_no_other_class_is_chosen(labelling, inside, content):
    with pytest.raises(UserError, match="is there"):
        labelling.save_submission(Request(PAIR, content | {"file": "chosen.csv"}))
    assert not (inside / "chosen.csv").exists()


def test_whatever_people_name_stays_text(labelling, inside):
    name = "<script>alert(1)&.csv"
    (inside / "submission.csv").rename(inside / name)
    labelling.study = "<script>"
    home = labelling.show_home(Request({})).text
    assert "<script>" not in home and "&lt;script&gt;alert(1)" in home
    page = labelling.show_comparison(Request({"a": name, "b": "other.csv"})).text
    assert page.count("<script>") == 1 and "<script>alert" not in page


def test_in_a_browser_choices_are_saved(browser, labelling, inside):
    served = listen(labelling.pages)
    threading.Thread(target=served.run, daemon=True).start()

    def all_(selector):
        return browser.find_elements("css selector", selector)

    def state():
        for _ in range(200):
            if text := all_("#state")[0].text:
                return text
            time.sleep(0.05)
        raise AssertionError("nothing was said")

    try:
        browser.get(served.guard.address())
        assert "token" not in browser.current_url
        all_("section a.button")[0].click()
        all_(".card .choose-b")[0].click()
        assert all_("#save")[0].text == "Save (1)"
        all_("#save")[0].click()
        assert state().startswith("1 corrected")
        assert len(corrections.load(inside / "corrections.csv")) == 1
        browser.get(
            served.guard.address("/compare").partition("?")[0] + "?a=submission.csv&b=other.csv"
        )
        all_(".card .choose-b")[0].click()
        all_("#file")[0].clear()
        all_("#file")[0].send_keys("../mine.csv")
        all_("#save")[0].click()
        assert "a name such as chosen.csv" in state()
        all_("#file")[0].clear()
        all_("#file")[0].send_keys("mine.csv")
        all_("#save")[0].click()
        for _ in range(200):
            if (inside / "mine.csv").exists():
                break
            time.sleep(0.05)
        with open(inside / "mine.csv", newline="") as opened:
            assert list(csv.reader(opened))[1] == ["t8", "01"]
        phone = {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
        for path in ("/", "/suspects"):
            browser.get(served.guard.address(path))
            assert browser.execute_script("return document.documentElement.scrollWidth") == 390
        severe = [e for e in browser.get_log("browser") if e["level"] == "SEVERE"]
        # The refused name is an answer of 400, which a browser logs.
        assert [e for e in severe if "400" not in e["message"]] == []
    finally:
        served.stop()
