"""Reading the URLs of parts."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from pinflow.errors import ConfigError

__all__ = ["is_server", "odd_characters", "split_url"]

NOT_IN_A_FOLDER = "?#%*[]{}^|\\"
"""Characters that mean something else in the URLs made of a folder, or in the patterns by which files are found."""


def split_url(url: str, key: str, hint: str) -> SplitResult:
    """Take apart the URL of a setting.

    Raises:
        ConfigError: It is not a URL. The error does not show it, as a password may be in the wrong place.
    """
    try:
        return urlsplit(url)
    except ValueError as error:
        raise ConfigError(f"{key} cannot be read", where=key, hint=hint) from error


def is_server(text: str) -> bool:
    """Whether a text names an HTTP server and nothing else: no path, no credentials."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    bare = parts.path in {"", "/"} and not parts.query and not parts.fragment and "@" not in parts.netloc
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0 and bare


def odd_characters(path: str) -> str:
    """The characters of a path that URLs and table libraries cannot have, for people; blank where it has none."""
    bad = sorted({char for char in path if char in NOT_IN_A_FOLDER or not char.isprintable()})
    return " ".join(char if char in NOT_IN_A_FOLDER else ascii(char) for char in bad)
