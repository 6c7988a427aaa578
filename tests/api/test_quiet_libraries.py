"""Libraries' warnings, while work goes on."""

import logging
import warnings

from automask.listener import quiet_libraries


def test_warnings_go_to_the_log_and_not_between_our_lines(caplog):
    with warnings.catch_warnings(record=True) as printed, caplog.at_level(logging.WARNING):
        warnings.simplefilter("always")
        with quiet_libraries():
            with quiet_libraries():
                warnings.warn("inner", stacklevel=1)
            warnings.warn("outer", stacklevel=1)
        warnings.warn("after", stacklevel=1)
    assert [str(warning.message) for warning in printed] == ["after"]
    assert [word for word in ("inner", "outer", "after") if word in caplog.text] == [
        "inner",
        "outer",
    ]
