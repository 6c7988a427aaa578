"""Names of one thing in two tables: equal, or equal but for case, blanks, a prefix or how a number is
written."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

POSITIVE = re.compile(
    r"1|y|yes|t|true|pos(itive)?|present|malignant|cancer(ous)?|tumou?r|disease[ds]?|sick|ill|abnormal"
    r"|infected|pneumonia|defect(ive)?|damaged?|broken|anomal(y|ous)|fake|spam"
)
NEGATIVE = re.compile(
    r"0|-1|n|no|none|f|false|neg(ative)?|absent|benign|normal|healthy|good|ok|intact|undamaged"
    r"|uninfected|real|genuine|ham|background|nothing|(no|not|non)[ _-].+"
)


def number_of(text: str) -> float | None:
    """What a text is as a number; None where it is none, or none that is finite.

    >>> number_of(" 1e-3"), number_of("nan"), number_of("1_0")
    (0.001, None, None)
    """
    try:
        value = float(text) if "_" not in text else float("nan")
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def all_numbers(texts: Iterable[str]) -> bool:
    """Whether each text is a number, and there is one."""
    texts = list(texts)
    return bool(texts) and all(number_of(text) is not None for text in texts)


def match_names(names: Sequence[str], wanted: Sequence[str]) -> dict[str, str]:
    """By name, the one of the `wanted` that it stands for, under the strictest likeness that pairs most.

    Names that several are alike to stand for none.

    >>> match_names(["Class_1", "Class_2"], ["2", "1"])
    {'Class_1': '1', 'Class_2': '2'}
    """
    best: dict[str, str] = {}
    for keys in (list, _plain_all, _numbers, _cores):
        places = _unique(keys(wanted), wanted)
        pairs = {n: places[key] for key, n in _unique(keys(names), names).items() if key in places}
        if len(pairs) > len(best):
            best = pairs
    return best


def match_label(text: str, labels: Collection[str]) -> str | None:
    """The label that a text is, or that is the same number; None where there is none or several.

    >>> match_label("1.0", ["0", "1"]), match_label("1", ["1", "1.0"]), match_label("2", ["0", "1"])
    ('1', '1', None)
    """
    if text in labels:
        return text
    value = number_of(text)
    equal = [label for label in labels if value is not None and number_of(label) == value]
    return equal[0] if len(equal) == 1 else None


def positive_of(classes: Sequence[str], column: str) -> tuple[str, str]:
    """Which of two classes a `column` of probability is of, and why ("" where nothing tells).

    >>> positive_of(["malignant", "benign"], "target")
    ('malignant', 'by its name')
    >>> positive_of(["cat", "dog"], "label")
    ('dog', '')
    """
    for name in (column, re.sub(r"^(is|p|prob|has)[ _-]", "", column.lower())):
        if same := [text for text in classes if _plain(text) == _plain(name)]:
            return same[0], f"by the column '{column}'"
    plain = [_number_text(text.strip().lower()) for text in classes]
    for meaning, right in ((POSITIVE, True), (NEGATIVE, False)):
        fits = [bool(meaning.fullmatch(text)) == right for text in plain]
        if sum(fits) == 1:
            return classes[fits.index(True)], "by its name"
    if all_numbers(classes):
        return max(classes, key=lambda text: number_of(text) or 0.0), "the larger number"
    return max(classes), ""


def _unique(keys: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """The name of each key that only one has."""
    counts = Counter(keys)
    return {key: name for key, name in zip(keys, names, strict=True) if counts[key] == 1}


def _plain(name: str) -> str:
    """Without case, blanks and marks between words."""
    return re.sub(r"[\s_\-.:/]+", "", name.strip().casefold())


def _plain_all(names: Sequence[str]) -> list[str]:
    return list(map(_plain, names))


def _number_text(name: str) -> str:
    """A number as it is written shortest: 1.0 and 01 are 1."""
    value = number_of(name)
    return name if value is None else f"{value:.12g}"


def _numbers(names: Sequence[str]) -> list[str]:
    return list(map(_number_text, names))


def _cores(names: Sequence[str]) -> list[str]:
    """The plain names without the letters that all of them begin and end with."""
    keys = _plain_all(names)
    if len(keys) < 2:
        return keys
    start = _shared(keys)
    keys = [key[start:] for key in keys]
    end = _shared([key[::-1] for key in keys])
    return _numbers([key[: len(key) - end] for key in keys])


def _shared(keys: Sequence[str]) -> int:
    """How many characters all keys begin with, short of a number's."""
    columns = itertools.takewhile(lambda letters: len({*letters}) == 1, zip(*keys, strict=False))
    return len("".join(letters[0] for letters in columns).rstrip("0123456789"))
