import json

import pytest

from automask import UserError
from automask.authoring.examples.reader import my_reader


def test_reads_the_classes_as_they_are_written(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    (tmp_path / "labels.json").write_text(json.dumps({"a.png": "01", "b.png": "2"}))
    train = my_reader(tmp_path).train
    assert train.ids == ["a.png", "b.png"]
    assert train.attributes["label"].tolist() == ["01", "2"]


def test_names_the_file_that_is_missing(tmp_path):
    (tmp_path / "labels.json").write_text('{"lost.png": "cat"}')
    with pytest.raises(UserError, match=r"lost\.png"):
        my_reader(tmp_path)
