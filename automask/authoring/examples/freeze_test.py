from automask import ParameterName
from automask.authoring.examples.freeze import my_freeze


def test_trains_the_head_the_last_stage_and_the_norms():
    stages = [("stem", "stem.norm"), ("late",), ("head",)]
    named = [tuple(ParameterName(name, "norm" in name) for name in stage) for stage in stages]
    assert my_freeze(named, 0.0) == ["stem.norm", "late", "head"]
    assert my_freeze(named, 0.0, last=0) == ["stem.norm", "head"]
