"""Examples in docstrings are true."""

import doctest
from importlib import import_module

import pytest

MODULES = ["automask.listener", "automask.units", "automask.api.projects", "automask.api.plugins"]


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name):
    failed, tried = doctest.testmod(import_module(name))
    assert tried and not failed
