"""The benchmark of techniques: its subsamples, what it measures, what it reports."""

import math
from collections import defaultdict
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automask.data.tables import Rows
from automask.space import registry
from automask.space.kinds import DEFAULTS
from automask.space.recipe import TRAINING
from automask.target import SINGLE
from benchmarks import effects, techniques
from benchmarks.subsamples import SOURCES, Source, rows_at, subsample

ROWS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.integers(0, 12)), max_size=80
)


def rows_of(drawn, grouped=True):
    """Rows of (garment, audience, group)."""
    names = [str(index) for index in range(len(drawn))]
    return Rows(
        names,
        [Path(name) for name in names],
        pd.DataFrame([row[:2] for row in drawn], columns=["garment", "audience"], dtype=str),
        [str(row[2]) for row in drawn] if grouped else None,
        extra=pd.DataFrame({"age": [len(name) for name in names]}),
    )


@given(ROWS, st.integers(4, 60), st.integers(0, 3))
def test_a_subsample_has_whole_groups_of_classes_that_have_several(drawn, count, seed):
    rows = rows_of(drawn)
    taken = rows_at(rows, subsample(rows, count, seed))
    assert len(taken) == len(taken.paths) == len(taken.attributes) == len(taken.extra) <= count
    assert taken.ids == [rows.ids[index] for index in subsample(rows, count, seed)]
    found, groups = set(map(int, taken.ids)), defaultdict(set)
    for index in found:
        garment, audience, group = drawn[index]
        groups[garment, audience].add(group)
    assert all(len(of) >= 2 for of in groups.values())
    chosen = set().union(*groups.values())
    for index, (garment, audience, group) in enumerate(drawn):
        if group in chosen and (garment, audience) in groups:
            assert index in found
    for position, index in enumerate(map(int, taken.ids)):
        assert tuple(taken.attributes.iloc[position]) == drawn[index][:2]
        assert taken.groups[position] == str(drawn[index][2])


def test_another_seed_takes_other_rows():
    rows = rows_of([("a", "x", 0), ("b", "y", 1)] * 60, grouped=False)
    first, second = (subsample(rows, 40, seed) for seed in (0, 1))
    assert len(first) == len(second) == 40
    assert set(first) != set(second)


def test_every_plugin_and_every_setting_is_among_the_techniques():
    found = techniques.techniques()
    changed = {
        (kind, name) for t in found for kind, (name, *_) in t.change.items() if kind != "training"
    }
    settings = {key for t in found for key in t.change.get("training", {})}
    for kind, default in DEFAULTS.items():
        if kind == "backbone":  # no weights of other libraries
            continue
        single = {name for name, plugin in registry.plugins(kind).items() if plugin.takes(SINGLE)}
        assert {(kind, name) for name in single - {default}} <= changed
        others = set(registry.plugins(kind)) - single
        assert not {(kind, name) for name in others} & changed
    assert settings == set(TRAINING)
    assert all(t.what for t in found)
    labels = [(t.kind, t.label) for t in found]
    assert len(set(labels)) == len(labels)


def test_a_technique_changes_one_thing():
    for technique in techniques.techniques():
        before, after = (one.to_dict() for one in technique.recipes())
        assert [key for key in before if before[key] != after[key]] == [technique.kind]


def test_a_task_has_what_a_technique_needs():
    factored = next(t for t in techniques.techniques() if t.label == "factored")
    fitting = {name for name, source in SOURCES.items() if factored.fits(source)}
    assert fitting == {"clothing", "drawn"}


@pytest.fixture
def focal():
    return next(t for t in techniques.techniques() if t.label == "focal")


def test_a_run_goes_on_where_it_stopped_and_measures_a_changed_recipe_again(tmp_path, focal):
    results, measured = tmp_path / "results.jsonl", []

    def measure(job):
        measured.append(job.key)
        if len(measured) == 4:
            raise KeyboardInterrupt
        return {"score": 0.5, "seconds": 1.0, "reason": ""}

    todo = techniques.jobs([focal])
    assert {job.technique for job in todo} == {"default", "focal"}
    with pytest.raises(KeyboardInterrupt):
        techniques.run(todo, results, measure)
    techniques.run(todo, results, measure)
    techniques.run(todo, results, measure)
    del measured[3]  # interrupted
    assert measured == [job.key for job in todo]
    other = [techniques.Job("clothing", 0, "focal", techniques.recipe({"training": {"epochs": 3}}))]
    techniques.run(other, results, measure)
    assert measured[-1] == other[0].key


def test_shards_share_the_runs():
    todo = techniques.jobs(techniques.techniques())
    keys = [{job.key for job in todo[part::2]} for part in (0, 1)]
    assert not keys[0] & keys[1]
    assert len(keys[0]) + len(keys[1]) == len(todo)


def test_the_report_pairs_seeds_and_tells_what_is_clear(tmp_path, focal):
    nothing = next(t for t in techniques.techniques() if t.label == "label_smoothing")
    broken = next(t for t in techniques.techniques() if t.label == "ldam")
    default = techniques.recipe()
    scores = [
        (default, (0.40, 0.50, 0.60)),
        (focal.recipes()[1], (0.43, 0.54, 0.65)),
        (nothing.recipes()[1], (0.41, 0.47, 0.62)),
        (broken.recipes()[1], (None, None, None)),
    ]
    records = [
        {
            "task": "clothing",
            "seed": seed,
            "technique": "",
            "recipe": recipe.hash,
            "score": score,
            "seconds": 60.0,
            "reason": "" if score else "not-a-number: the loss was nan",
        }
        for recipe, own in scores
        for seed, score in enumerate(own)
    ]
    records.append({**records[0], "recipe": "changed since", "score": 0.9})
    file = tmp_path / "techniques.md"
    file.write_text(f"Above.\n\n{effects.BEGIN}\nearlier tables\n{effects.END}\n\nBelow.\n")
    sources = {
        "clothing": SOURCES["clothing"],
        "other": Source(lambda cache: None, 10, kinds=["head"]),
    }
    effects.write(tmp_path, default, [focal, nothing, broken], sources, iter(records))
    text = file.read_text()
    assert text.startswith("Above.") and text.endswith("Below.\n")
    assert "earlier tables" not in text
    # Differences 0.03, 0.04, 0.05: a deviation of 0.01, by the root of 3.
    assert f"| focal | {focal.what} | **+0.040 ± 0.006** | – |" in text
    assert f"| label_smoothing | {nothing.what} | +0.000 ± 0.015 | – |" in text
    assert f"| ldam | {broken.what} | failed | – |" in text
    assert "- ldam, clothing: not-a-number: the loss was nan" in text
    assert "| clothing | 300 | 0.500 ± 0.058 | 60.0 |" in text
    assert (
        "2 comparisons from 12 runs, 12 minutes" in text and "minutes of one core; 1 bold" in text
    )
    effects.write(tmp_path, default, [focal, nothing, broken], sources, iter(records))
    assert file.read_text() == text


def test_how_many_are_beyond_two_standard_errors_by_chance():
    # Student's t with 2 degrees of freedom has a closed form.
    assert effects.chance(3) == pytest.approx(1 - 2 / math.sqrt(2 + 2**2))


def test_the_shipped_page_has_its_marks():
    page = (Path(__file__).parents[2] / "docs" / "techniques.md").read_text()
    assert page.index(effects.BEGIN) < page.index(effects.END)
