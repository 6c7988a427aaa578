"""What several test modules need; fixtures stand in `tests/conftest.py`."""
