"""What tests of the queue share."""

from __future__ import annotations

import pytest

from tests import ports


@pytest.fixture
def free_port() -> int:
    """A TCP port of loopback that nothing listens on."""
    return ports.free_port()
