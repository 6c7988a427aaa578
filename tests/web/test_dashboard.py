"""A study in the browser: automask's own page, optuna-dashboard, notes and pictures of mistakes."""

import http.client
import socket
import threading
import time

import numpy as np
import pytest

from automask.api import web
from automask.hpo.attributes import recipe_of
from automask.hpo.optuna_internals import place_of
from automask.hpo.trials import complete_trials
from automask.report import live, mistakes
from automask.storage.trial_store import FoldResult
from automask.web import dashboard, notes
from automask.web.dashboard import Dashboard
from automask.web.server import listen
from helpers.commands import automask, refused
from helpers.searches import pretend, searcher

NASTY = "</style><script>alert('x')</script> & \"{{ facts }}\""


@pytest.fixture
def searched(study):
    """A study with two complete trials, which take class 01 for class 2, and one that failed."""
    tried = []

    def train(recipe, report, ends):
        tried.append(recipe)
        if len(tried) == 1:
            raise RuntimeError("no <b>such</b> luck")
        return pretend(recipe, report)

    searcher(study, 2, train).run()
    for trial in complete_trials(study.study):
        keep_predictions(study, trial)
    return study


def keep_predictions(study, trial):
    """Probabilities of a trial that mistakes every row of the first class."""
    probability = np.eye(3, dtype=np.float32)[
        np.where(study.data.labels == 0, 1, study.data.labels)
    ]
    store = study.store.trial(recipe_of(trial).hash)
    for fold in range(3):
        rows = study.folds == fold
        store.save(fold, FoldResult(probability[rows], np.zeros((0, 3), np.float32)))


def test_the_page_tells_folds_ensemble_workers_and_disk(searched):
    facts = live.gather(searched)
    assert [t["state"] for t in facts["history"]] == ["failed", "complete", "complete"]
    assert len(facts["ensemble"]) == 2 and 0 < facts["ensemble"][-1]["value"] < 1
    best = facts["by_fold"][0]
    assert len(best["folds"]) == 3 and best["score"] == pytest.approx(best["folds"][0])
    assert facts["best"] == best["score"] and facts["at_work"] == 0
    assert {row["name"] for row in facts["disk"]["rows"]} >= {"other caches"}
    text = live.render(searched, "/dashboard/studies/1")
    assert "connect-src 'self'" in text and 'href="/dashboard/studies/1"' in text


def test_before_the_first_trial_there_is_a_page(study):
    text = live.render(study, "")
    assert "No trial is complete yet" in text and "optuna-dashboard</a>" not in text


def test_the_version_changes_as_trials_report_and_end(study):
    versions = [live.version(study)]

    def train(recipe, report, ends):
        def seen(step):
            report(step)
            versions.append(live.version(study))

        return pretend(recipe, seen)

    searcher(study, 1, train).run()
    versions.append(live.version(study))
    assert len({*versions}) == 5  # nothing, three folds, the end


def test_notes_have_pictures_of_mistakes_and_somebodys_own_stay(searched):
    optuna_dashboard = pytest.importorskip("optuna_dashboard", reason="it isn't installed")
    folder = searched.store.artifacts
    optuna_dashboard.save_note(searched.study, "mine")
    assert notes.annotate(searched, folder) == 3
    assert notes.annotate(searched, folder) == 0
    assert optuna_dashboard.get_note(searched.study) == "mine"
    places = (place_of(searched.study, trial) for trial in searched.study.get_trials())
    texts = list(map(optuna_dashboard.get_note, places))
    assert sum("10 rows that it mistakes most" in text for text in texts) == 2
    [failed] = [text for text in texts if "It failed" in text]
    assert r"no \<b\>such\</b\> luck" in failed
    assert len(list(folder.iterdir())) == 2


def test_a_contact_sheet_has_every_picture(study):
    rows = mistakes.worst_rows(study.data, np.eye(3)[(study.data.labels + 1) % 3])
    sheet = mistakes.contact_sheet(study.data, rows)
    assert len(rows) == mistakes.MOST and sheet.shape == (3 * mistakes.EDGE, 4 * mistakes.EDGE, 3)
    assert (sheet[40, 40::160] != 255).any(1).all()
    assert mistakes.note(study.data, np.eye(3), [], "") == "No row was mistaken."


def test_markdown_is_text():
    assert "<" not in mistakes.escape_markdown(NASTY).replace(r"\<", "")
    assert mistakes.escape_markdown("a|b\nc") == r"a\|b c"


def get(served, path, method="GET"):
    link = http.client.HTTPConnection("127.0.0.1", served.guard.port, timeout=60)
    link.request(method, path, headers={"Cookie": f"{served.guard.cookie}={served.guard.token}"})
    answer = link.getresponse()
    text = answer.read().decode("utf-8", "replace")
    link.close()
    return answer.status, text


def test_without_optuna_dashboard_there_is_automasks_own_page(searched, heard, monkeypatch):
    monkeypatch.setattr(dashboard, "find_spec", lambda name: None)
    with web.dashboard() as (served, path):
        threading.Thread(target=served.run, daemon=True).start()
        assert path == "/live"
        status, text = get(served, "/live")
        assert status == 200 and "Ensemble so far" in text
        assert get(served, "/")[0] == 200 and get(served, "/api/studies")[0] == 404
        served.stop()
    assert any("pip install 'automask[dashboard]'" in note for note in heard.notes)


def test_optuna_dashboard_is_behind_the_same_door(searched):
    pytest.importorskip("optuna_dashboard", reason="it isn't installed")
    with web.dashboard() as (served, path):
        threading.Thread(target=served.run, daemon=True).start()
        assert path == "/dashboard/studies/1"
        assert get(served, path)[0] == 200
        status, text = get(served, "/api/studies/1")
        assert status == 200 and "artifacts" in text
        # Nothing is removed but by a page of this server.
        assert get(served, "/api/studies/1", "DELETE")[0] == 403
        served.stop()
    assert len(complete_trials(searched.study)) == 2


def test_what_is_not_there_is_a_sentence(project, tmp_path_factory):
    refused(automask(project, "dashboard"), "no study 'main'")
    bare = tmp_path_factory.mktemp("bare")
    refused(automask(bare, "label"), "run 'automask init DATA' first")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused(automask(project, "label", "--port", port), f"--port {port}: can't be listened at")


def test_in_a_browser_it_renews_itself_as_trials_end(browser, searched):
    pages = Dashboard(searched)
    served = listen(pages.pages)
    threading.Thread(target=served.run, daemon=True).start()

    def figures():
        # At once: elements that were asked for may be gone a moment later.
        script = "return [...document.querySelectorAll('.figures dd')].map((e) => e.innerText)"
        return browser.execute_script(script)

    try:
        browser.get(served.guard.address("/live"))
        assert figures()[2:5] == ["2", "0", "1"]
        searcher(searched, 3).run()
        for _ in range(300):
            if figures()[2] == "3":
                break
            time.sleep(0.1)
        assert figures()[2] == "3"
        phone = {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
        assert browser.execute_script("return document.documentElement.scrollWidth") == 390
        severe = [e for e in browser.get_log("browser") if e["level"] == "SEVERE"]
        assert severe == []
        if pages.is_whole:
            notes.annotate(searched, searched.store.artifacts)
            number = complete_trials(searched.study)[-1].number
            host = f"http://127.0.0.1:{served.guard.port}"
            browser.get(f"{host}{pages.path}/trials?numbers={number}")
            shown = (
                "return [...document.images].some((i) => i.src.includes('/artifacts/') "
                "&& i.naturalWidth > 0)"
            )
            for _ in range(300):
                if browser.execute_script(shown):
                    break
                time.sleep(0.1)
            assert browser.execute_script(shown)
    finally:
        served.stop()
