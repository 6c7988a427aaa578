"""A reader of mine; try it with: automask plugins check plugins/my_reader.py"""

from automask import reader


@reader()
def my_reader(folder):
    """A folder with labels.json, which names images and their classes: {"images/1.jpg": "cat"}.

    When to use: labels that a program wrote. `automask init DATA` asks every reader for its tables.
    """
    import json

    import pandas as pd

    from automask import Rows, Tables, UserError

    file = folder / "labels.json"
    if not file.is_file():
        return None  # some other reader's
    labels = json.loads(file.read_text("utf-8"))
    for name in labels:
        if not (folder / name).is_file():
            raise UserError(f"{file}: names {name}, and there is no such file in {folder}")
    return Tables(
        train=Rows(
            ids=list(labels),
            paths=[folder / name for name in labels],
            attributes=pd.DataFrame({"label": list(labels.values())}, dtype=str),
        )
    )
