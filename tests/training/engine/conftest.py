"""Fixtures of the tests of stacks."""

import pytest

from skdl.training import _part
from tests.checks import PLAIN_OR_XLA


@pytest.fixture(params=PLAIN_OR_XLA, ids=["plain", "xla"])
def compiled(request, monkeypatch):
    """Whether XLA compiles all stacks of a test."""
    monkeypatch.setattr(_part, "worth_compiling", lambda *_: request.param)
    return request.param
