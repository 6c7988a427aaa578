"""What stands for the content of a file."""

from hypothesis import given
from hypothesis import strategies as st

from automask.storage.files import BLOCK, WHOLE, content_digest


@given(at=st.integers(0, 99), size=st.sampled_from([100, 5000]))
def test_any_byte_of_a_small_file_counts(tmp_path_factory, at, size):
    one, other = (tmp_path_factory.mktemp("files") / name for name in ("one", "other"))
    content = bytes(size)
    one.write_bytes(content)
    other.write_bytes(content[:at] + b"x" + content[at + 1 :])
    assert content_digest(one) != content_digest(other)
    other.write_bytes(content)
    assert content_digest(one) == content_digest(other)


def test_the_ends_of_a_large_file_count(tmp_path):
    size = WHOLE + 12345
    digests = set()
    for name, at in (("none", -1), ("first", 0), ("block", BLOCK - 1), ("last", size - 1)):
        content = bytearray(size)
        if at >= 0:
            content[at] = 1
        (tmp_path / name).write_bytes(content)
        digests.add(content_digest(tmp_path / name))
    assert len(digests) == 4
