"""The texts of labels: blanks around them, two spellings of one label, and labels that users merge."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from automask.data.csv_file import quoted, shorten_list
from automask.errors import UserError, did_you_mean

#: What `str.strip` leaves, though nobody sees it.
INVISIBLE = "\u200b\u2060\ufeff"
#: A number that isn't a code: "01" is another text than "1".
NUMBER = re.compile(r"[+-]?(0|[1-9]\d*)?(\.\d+|(?<=\d)\.)?(?<=[\d.])([eE][+-]?\d+)?")
#: A number with commas between thousands, though a single comma may be a decimal one.
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
#: What programs write where a cell is empty.
ABSENT = frozenset(("nan", "<na>", "#n/a", "n/a", "null"))


def strip_blanks(text: str) -> str:
    """Without blanks around it, the invisible ones too."""
    before = None
    while text != before:
        before, text = text, text.strip().strip(INVISIBLE)
    return text


def clean_labels(column: str, texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """The labels `[N]` of a column, one text for each, and a note on each thing that changed.

    Blanks around a text go. Where a label is there in two Unicode forms, or all labels are numbers and
    one is there in two spellings (0 and 0.0), they are one label. All else stays as it is: "01" too.
    """
    notes = []
    stripped = [strip_blanks(text) for text in texts]
    if odd := [text for text, bare in zip(texts, stripped, strict=True) if text != bare]:
        notes.append(
            f"blanks around {len(odd)} label{'s' * (len(odd) > 1)} of column '{column}' are taken away "
            f"({shorten_list(quoted(dict.fromkeys(odd)))})"
        )
    labels, forms = _unify(stripped, _compose, lambda texts: _compose(texts[0]))
    if forms:
        notes.append(
            f"column '{column}' has {shorten_list(quoted(forms))} in two Unicode forms, composed and "
            "decomposed: each is one label"
        )
    if all(map(_is_number, set(labels))):
        labels, numbers = _unify(labels, float, lambda texts: texts[0])
        if numbers:
            notes.append(
                f"column '{column}' has the number {shorten_list(quoted(numbers))} in more than one "
                "spelling: equal numbers are one label"
            )
    return labels, notes


def merge_labels(texts: Sequence[str], merge: Mapping[str, str]) -> list[str]:
    """The labels `[N]`, where ``merge`` of `automask.toml` maps some to others."""
    return [merge.get(text, text) for text in texts]


def refuse_unused(merge: Mapping[str, str], labels: Collection[str]) -> None:
    """Raise `UserError` where ``merge`` names what is no label."""
    for text in merge:
        if text not in labels:
            raise UserError(f"merge: '{text}' is no label{did_you_mean(text, labels)}")


def label_notes(columns: Mapping[str, Sequence[str]], merge: Mapping[str, str]) -> list[str]:
    """Notes on labels that may be one in several spellings, with the line that merges them, and on
    labels that may be empty cells; `columns` has the labels `[N]` of each target."""
    notes, pairs = [], []
    others: dict[str, str] = {}
    for column, texts in columns.items():
        counts = Counter(texts)
        for variants in _variants(counts):
            most = max(variants, key=lambda text: (counts[text], text))
            pairs.append(" and ".join(f"'{text}' ({counts[text]:,})" for text in variants))
            others |= {text: most for text in variants if text != most}
        for text in sorted(text for text in counts if text.lower() in ABSENT):
            notes.append(
                f"'{text}' of column '{column}' ({counts[text]:,} rows) is a label like any other; "
                "if it stands for an empty cell, take these rows out"
            )
    if pairs:
        notes.append(
            f"labels that differ only in their spelling are different labels: {shorten_list(pairs)}; "
            f"to make one of each write {merge_line({**merge, **others})} under [data]"
        )
    return notes


def merge_line(merge: Mapping[str, str]) -> str:
    """The line of `automask.toml` that merges labels."""
    pairs = [f"{_key(old)} = {_string(new)}" for old, new in merge.items()]
    return f"merge = {{{', '.join(pairs)}}}"


def is_same_word(a: str, b: str) -> bool:
    """Whether two texts differ by no more than case, Unicode form, blanks or a number's spelling."""
    return _plain(a) == _plain(b)


def _variants(labels: Iterable[str]) -> list[list[str]]:
    by_text: dict[str, list[str]] = defaultdict(list)
    for text in sorted(labels):
        by_text[_plain(text)].append(text)
    return [texts for texts in by_text.values() if len(texts) > 1]


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold()
    try:
        return f"{float(text.replace('_', '-')):.12g}"
    except ValueError:
        # Marks between words: A- is another grade than A.
        return re.sub(rf"[\s_\-{INVISIBLE}]+", " ", text)


def _unify(
    texts: Sequence[str], key: Callable[[str], object], choose: Callable[[list[str]], str]
) -> tuple[list[str], list[str]]:
    """The texts with one for all of the same key, and those that stand for several."""
    spellings: dict[object, list[str]] = defaultdict(list)
    for text in sorted(set(texts), key=lambda text: (len(text), text)):
        spellings[key(text)].append(text)
    chosen = {same: choose(options) for same, options in spellings.items() if len(options) > 1}
    return [chosen.get(key(text), text) for text in texts], list(chosen.values())


def _compose(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _is_number(text: str) -> bool:
    return bool(text and NUMBER.fullmatch(text))


def _key(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else _string(text)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
