"""The page on data before anything trains."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from automask.api import looks
from automask.data import dataset
from automask.diagnostics import near_duplicates, oddities
from automask.report import charts, effects, image_sizes, look
from automask.report.look import Understood
from automask.space import registry, space_file
from automask.storage.project import Project
from helpers import competition
from helpers.commands import automask, refused
from helpers.competition import draw, draw_table

NASTY = "</style><script>alert('x')</script> & \"{{ facts }}\""
UNDERSTOOD = Understood(NASTY, "table", [NASTY], NASTY)


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """A folder of drawn data, in which the test stands."""
    draw_table(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def prepared(tables):
    registry.load(Project())
    return dataset.prepare(tables)


def test_the_page_needs_no_project_and_leaves_nothing_but_itself(drawn):
    made = automask(drawn, "look", "data", "-o", "page.html")
    assert made.returncode == 0, made.stderr
    assert "wrote page.html: " in made.stdout
    assert sorted(file.name for file in drawn.iterdir()) == ["data", "page.html"]
    text = (drawn / "page.html").read_text("utf-8")
    for word in ("30 train and 9 test images", "target = &#34;label&#34;", "rotate_reflect"):
        assert word in text
    assert "default-src &#39;none&#39;" not in text and "default-src 'none'" in text


def test_in_a_project_it_tells_of_its_data_and_space(inside):
    (inside / "corrections.csv").write_text(
        "id,target,old,new,date,file,sha256,source,note\na0,label,01,2,2026-01-01,x.csv,0,,\n"
    )
    made = automask(inside, "look", "--space", "space.toml")
    assert made.returncode == 0, made.stderr
    text = (inside / "look.html").read_text("utf-8")
    assert "augmentation <code>light</code>" in text and "rotate_reflect" not in text
    assert "<h3>2</h3>" in text and "11 rows" in text  # by the correction


def test_a_metric_makes_numbers_of_what_are_classes_else(drawn):
    table = drawn / "data/train.csv"
    lines = table.read_text().splitlines()
    for row, line in enumerate(lines[1:], 1):
        cells = line.split(",")
        lines[row] = ",".join([*cells[:2], str(1900 + row), *cells[3:]])
    table.write_text("\n".join(lines) + "\n")
    for name in ("test.csv", "sample_submission.csv"):
        (drawn / "data" / name).unlink()
    looks.look("data", drawn, "look.html", metric="rmse")
    text = (drawn / "look.html").read_text("utf-8")
    assert "Numbers by band" in text and "<h3>1901 to 1903</h3>" in text


def test_what_cannot_be_looked_at_is_a_sentence(drawn):
    refused(automask(drawn, "look"), "run 'automask init DATA' first")
    refused(automask(drawn, "look", "nowhere"), "nowhere: no such folder or table")
    refused(automask(drawn, "look", "data", "--space", "fulll"), "did you mean 'full'")
    refused(automask(drawn, "look", "data", "-o", "no/page.html"), "no/page.html: can't be written")


def test_copies_conflicts_and_unreadable_images_are_shown(drawn, heard):
    images = drawn / "data/images"
    rng = np.random.default_rng(0)
    for name in ("a0", "a6", "t0"):
        draw(images / f"{name}.png", rng.integers(0, 255, 3), 5)
    for copy, original in (("a1", "a0"), ("a2", "a6"), ("t1", "t0")):
        shutil.copy(images / f"{original}.png", images / f"{copy}.png")
    shutil.copy(images / "a6.png", images / "t2.png")
    (images / "a9.png").write_bytes(b"no image")
    data = prepared(registry.get("reader", "table").function(drawn / "data"))
    pairs = near_duplicates.read_pairs(data.paths)
    told = {kind["name"]: kind["pairs"] for kind in look.copies(data, pairs)}
    assert told["within train"] >= 1 and told["within test"] >= 1
    assert told["with different labels"] >= 1 and told["of train in test"] >= 1
    [problem] = look.unreadable(pairs)
    assert "a9.png" in problem
    looks.look("data", drawn, "look.html")
    assert "can't be read to their end" in (drawn / "look.html").read_text("utf-8")


def test_dark_blurred_and_empty_images_are_odd(tmp_path):
    pytest.importorskip("cleanvision", reason="cleanvision isn't installed")
    rng = np.random.default_rng(0)
    files = []
    for index in range(12):
        files.append(tmp_path / f"{index}.png")
        draw(files[-1], rng.integers(60, 200, 3), index, (64, 64))
    Image.fromarray(np.full((64, 64, 3), 3, np.uint8)).save(files[2])
    Image.fromarray(np.full((64, 64, 3), 128, np.uint8)).save(files[5])
    # A soft spot, in which each grey is as frequent as any other.
    near = -np.hypot(*np.mgrid[-32:32, -32:32]).ravel()
    smooth = (near.argsort(kind="stable").argsort().reshape(64, 64) // 16).astype(np.uint8)
    Image.fromarray(smooth).convert("RGB").save(files[7])
    odd = oddities.find_oddities(files)
    assert odd["dark"] == [2]
    assert {2, 5} <= set(odd["of one colour, or nearly so"])
    assert 7 in odd["blurred"] and 0 not in odd["blurred"]


def test_without_cleanvision_a_sentence_says_how_to_get_it(drawn, monkeypatch):
    monkeypatch.setattr(oddities, "find_spec", lambda name: None)
    looks.look("data", drawn, "look.html")
    text = (drawn / "look.html").read_text("utf-8")
    assert "pip install &#39;automask[look]&#39;" in text


def test_every_plugin_of_the_full_space_shows_what_it_does(drawn):
    data = prepared(registry.get("reader", "table").function(drawn / "data"))
    space = space_file.load("full")
    rows = [0, 2, 4]
    shown = effects.show_effects(space, data, rows)
    names = [effect.name for effect in shown]
    wanted = {*space.competitors["preprocessing"], *space.competitors["augmentation"]} - {"none"}
    assert {*names[1:]} == wanted and names[0] == "as it is"
    assert [effect.problem for effect in shown] == [""] * len(shown)
    plain = shown[0].pixels
    for effect in shown[1:]:
        assert effect.pixels.shape == plain.shape and effect.pixels.dtype == np.uint8
    changed = {effect.name for effect in shown if (effect.pixels != plain).any()}
    assert {"light", "rotate_reflect", "colour", "reveal_detail"} <= changed
    again = effects.show_effects(space, data, rows)
    assert all((a.pixels == b.pixels).all() for a, b in zip(shown, again, strict=True))


def test_a_plugin_that_fails_is_told_beside_the_others(inside):
    (inside / "plugins").mkdir()
    (inside / "plugins/broken.py").write_text(
        "from automask import augmentation\n\n\n@augmentation()\ndef broken(image_size):\n"
        '    """Never works."""\n    raise ValueError("no such luck")\n'
    )
    (inside / "space.toml").write_text(
        (inside / "space.toml").read_text() + "\n[augmentation.broken]\n"
    )
    made = automask(inside, "look", "--space", "space.toml")
    assert made.returncode == 0, made.stderr
    text = (inside / "look.html").read_text("utf-8")
    assert "it fails: no such luck" in text and "augmentation <code>light</code>" in text


TABLES = {
    "single": competition.tables(["a"] * 6 + ["b"] * 3),
    "several targets": competition.tables({"x": list("abab"), "y": list("ccdd")}),
    "multi": competition.tables({"dog": list("1100"), "cat": list("0100")}, kind="multi"),
    "number": competition.tables({"year": [str(y) for y in range(1950, 1990)]}, kind="number"),
}


@pytest.mark.parametrize("what", TABLES)
def test_classes_are_told_of_every_target(what):
    registry.load(Project())
    metric = "rmse" if what == "number" else dataset.METRIC
    data = dataset.prepare(TABLES[what], metric)
    told = look.classes(data)
    names = {row["name"]: row["rows"] for row in told}
    if what == "single":
        assert list(names.items()) == [("a", 6), ("b", 3)]
    elif what == "multi":
        assert names == {"dog": 2, "cat": 1, "no label": 2}
    elif what == "number":
        assert len(told) == 10 and told[0]["name"] == "1950 to 1953"
    else:
        assert len(told) == 4
        assert [row["name"] for row in look.attributes(data)] == ["x", "y"]
    rows = {row for one in told for row in one["pictures"]}
    assert rows <= set(range(len(data.labels)))


def test_of_many_classes_the_most_and_the_least_frequent_have_pictures():
    labels = [f"c{i:02}" for i in range(50) for _ in range(60 - i)]
    told = look.classes(prepared(competition.tables(labels)))
    seen = [row["name"] for row in told if row["pictures"]]
    assert len(told) == 50 and seen == [f"c{i:02}" for i in (*range(15), *range(35, 50))]


def test_groups_are_counted_by_their_size():
    groups = [0] * 1 + [1] * 3 + [2] * 3 + [3] * 100
    labels = ["a", "a", "b", "a", *["b"] * 3, *["a"] * 100]
    told = look.groups(prepared(competition.tables(labels, groups)))
    assert told["count"] == 4 and told["largest"] == 100 and told["mixed"] == 1
    assert [(band["name"], band["groups"]) for band in told["bands"]] == [
        ("1", 1),
        ("2 to 3", 2),
        ("64 to 100", 1),
    ]
    assert look.groups(prepared(competition.tables(["a", "b"]))) is None


def test_sizes_are_those_of_the_files(drawn):
    draw(drawn / "data/images/a0.png", (9, 9, 9), 0, (80, 20))
    data = prepared(registry.get("reader", "table").function(drawn / "data"))
    told = image_sizes.describe_sizes(data)
    train = told["tables"][0]
    assert train["images"] == 30 and train["shorter"] == [20, 32, 32]
    assert train["longer"] == [40, 40, 80] and told["distinct"] == 2
    assert told["files"] == [(".png", 39)]
    assert charts.sizes(told["common"]).count("<circle") == 2


def test_whatever_people_name_stays_text(drawn):
    data = prepared(registry.get("reader", "table").function(drawn / "data"))
    pairs = near_duplicates.read_pairs(data.paths)
    facts = look.gather(UNDERSTOOD, data, pairs, space_file.load("default"))
    json.dumps(facts, allow_nan=False)

    def spoiled(value):
        if isinstance(value, dict):
            return {k: v if k == "images" else spoiled(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [spoiled(v) for v in value]
        return NASTY if isinstance(value, str) else value

    text = look.render(spoiled(facts), look.pictures(data, facts))
    for begin in ("<script", "</style><", "{{ charts", 'alt="picture of </'):
        assert begin not in text
    assert text.count("&lt;script&gt;") > 50


def test_in_a_browser_it_fits_a_phone_and_the_dark(browser, drawn):
    looks.look("data", drawn, "look.html", space="full")
    browser.get((drawn / "look.html").as_uri())
    ids = [s.get_attribute("id") for s in browser.find_elements("css selector", "section")]
    assert ids == ["understood", "classes", "sizes", "groups", "copies", "oddities", "effects"]
    assert browser.execute_script("return [...document.images].every((i) => i.naturalWidth > 0)")
    phone = {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    assert browser.execute_script("return document.documentElement.scrollWidth") == 390
    severe = [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]
    assert severe == []
