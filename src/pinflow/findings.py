"""What `check()` of a part returns, for `pinflow doctor`."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Finding"]


class Finding(NamedTuple):
    """One thing that is wrong with a part, or worth knowing of it.

    Attributes:
        what: A sentence.
        hint: What to do about it; empty where there is nothing to do.
        broken: Whether pinflow cannot do its work, or cannot keep its promises, until that is done.
    """

    what: str
    hint: str = ""
    broken: bool = False
