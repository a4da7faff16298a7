"""The quick loop, `make test-core`: whatever would start a server of others is skipped, at the place that starts it."""

from __future__ import annotations

import pytest

__all__ = ["skip_in_quick_loop", "use_no_server"]

_skips: list[bool] = []


def use_no_server() -> None:
    """From now on no server of others is started in this process."""
    _skips.append(True)


def skip_in_quick_loop(server: str) -> None:
    """Skip the test that needs a server, if this is the quick loop."""
    if _skips:
        pytest.skip(f"the quick loop starts no {server}; make test does")
