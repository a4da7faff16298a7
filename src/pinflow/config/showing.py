"""Settings as they are shown: a file with all of them, and values without their secrets."""

from __future__ import annotations

import re

import msgspec

from pinflow.config.model import Config, Section

__all__ = ["masked", "shown", "template"]

HIDDEN = "***"

SECRETS = frozenset({"emulator.api_key"})
"""Settings whose value is never shown, only whether there is one."""


def template() -> str:
    """A configuration file that says every setting with its meaning and default, all commented out."""
    lines = [
        "# pinflow configuration. Every setting stands here with its default; take the # away to change one.",
        "",
    ]
    lines += [f"# id = {_toml(Config().id)}"]
    for field in msgspec.structs.fields(Config):
        section = getattr(Config(), field.name)
        if isinstance(section, Section):
            meaning = " ".join((type(section).__doc__ or "").split())
            lines += ["", f"# {meaning}", f"[{field.name}]"]
            lines += [f"# {key} = {_toml(value)}" for key, value in msgspec.to_builtins(section).items()]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    return (
        str(value).lower()
        if isinstance(value, bool)
        else f'"{value}"'
        if isinstance(value, str)
        else str(value)
    )


def masked(value: object) -> str:
    """A value as text, with the password of a URL and secret-looking parameters hidden."""
    text = "true" if value is True else "false" if value is False else str(value)
    text = re.sub(r"(://[^/:@\s]*):[^\n]*@", r"\1:***@", text)
    return re.sub(r"(?i)([?&;][^=&;]*(?:secret|password|passwd|token|key)[^=&;]*=)[^&\n]+", r"\1***", text)


def shown(key: str, value: object) -> str:
    """A setting's value as it may be shown: `masked`, and nothing of a setting that is a secret."""
    return HIDDEN if key in SECRETS and value else masked(value)
