"""What every test runs under."""

from __future__ import annotations

from hypothesis import settings

# No test fails because the machine is busy: a first example that fills a cache takes 0.2 s there.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
