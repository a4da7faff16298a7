"""Settings as they are shown: a file with all of them, and values without their secrets."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import msgspec

from pinflow.config.model import Config, Section

__all__ = ["HIDDEN_OPTIONS", "mask", "secret_values", "show_setting", "template"]

HIDDEN = "***"

SECRETS = frozenset({"emulator.api_key"})
"""Settings whose value is never shown, only whether there is one."""


def template() -> str:
    """A configuration file with every setting, its meaning and its default, all commented out."""
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


HIDDEN_OPTIONS = r"secret|password|passwd|passphrase|token|key|oauthbearer\.config"
"""Parts of the names of URL options whose value is hidden. librdkafka takes a secret in `sasl.oauthbearer.config`."""


def mask(value: object) -> str:
    """A value as text, with the password of a URL and the values of secret options hidden."""
    text = "true" if value is True else "false" if value is False else str(value)
    text = re.sub(r"(://[^/:@\s]*):[^\n]*@", r"\1:***@", text)
    return re.sub(rf"(?i)([?&;][^=&;]*(?:{HIDDEN_OPTIONS})[^=&;]*=)[^&\n]+", r"\1***", text)


def show_setting(key: str, value: object) -> str:
    """A setting's value as it may be shown: `mask`, and nothing of a setting that is a secret."""
    return HIDDEN if key in SECRETS and value else mask(value)


def secret_values(config: Config) -> list[str]:
    """Every value of the configuration that must not be seen: its secrets, and the passwords of its URLs."""
    found = []
    for name, value in msgspec.to_builtins(config).items():
        settings = value if isinstance(value, dict) else {}
        for key, inner in settings.items():
            if f"{name}.{key}" in SECRETS and inner:
                found.append(str(inner))
            elif isinstance(inner, str) and (password := _password(inner)):
                found.append(password)
    return found


def _password(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""
