"""CSV files written and read as text."""

import csv


def write(file, header, rows):
    """Write these rows below a header; the file."""
    with open(file, "w", newline="") as opened:
        csv.writer(opened, lineterminator="\n").writerows([header, *rows])
    return file


def rows(file):
    """All rows, the header's first."""
    with open(file, newline="") as opened:
        return list(csv.reader(opened))
