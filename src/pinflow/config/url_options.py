"""What may stand behind the `?` of a part's URL, declared once for each backend.

A backend declares its options as data. The declaration gives how a URL is read, the defaults, errors that name the
option that was probably meant, the table of the docs page, and which values are hidden wherever a URL is shown.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl

from pinflow.config.showing import HIDDEN_OPTIONS, mask
from pinflow.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pinflow.config.option_kinds import ValueKind

__all__ = ["OptionValues", "UrlOption", "UrlOptions"]


class UrlOption(NamedTuple):
    """One option of a URL.

    Attributes:
        name: What stands before the `=`. A name that ends with a dot begins those of a family: `client.` allows
            `client.linger.ms`.
        meaning: What it does, for the docs page.
        kind: How its text is read.
        default: The text that holds where the URL does not give the option; None for no value.
        unset: What then holds where no single text says it, for the docs page.
        secret: Whether its value is hidden wherever the URL is shown.
    """

    name: str
    meaning: str
    kind: ValueKind
    default: str | None = None
    unset: str = ""
    secret: bool = False

    @property
    def is_family(self) -> bool:
        """Whether any name may follow its own."""
        return self.name.endswith(".")


class UrlOptions(NamedTuple):
    """All options of the URLs of one backend.

    Attributes:
        part: The backend, as the subject of an error.
        setting: The setting that holds the URL.
        page: The docs page with the table of the options.
        options: Each option, in the order of the table.
        no_credentials: What to do instead of writing credentials into the URL; empty where the URL may hold some.
        repeatable: Whether an option may be given twice, and the last one counts.
    """

    part: str
    setting: str
    page: str
    options: tuple[UrlOption, ...]
    no_credentials: str = ""
    repeatable: bool = True

    def parse(self, query: str, url: str) -> OptionValues:
        """Read what stands behind the `?` of a URL.

        Raises:
            ConfigError: An option is unknown or its value is not valid.
        """
        return self.check(parse_qsl(query, keep_blank_values=True), url)

    def check(self, pairs: Iterable[tuple[str, str]], url: str) -> OptionValues:
        """The same for options that have been taken apart already. The URL is shown in errors, without its secrets.

        Raises:
            ConfigError: An option is unknown or its value is not valid.
        """
        given: dict[str, str] = {}
        for name, text in pairs:
            self._require_known(name, url)
            if name in given and not self.repeatable:
                raise self.error(url, f"the URL gives {name} more than once", "give it once")
            given[name] = text
        return OptionValues(self, url, given)

    def error(self, url: str, what: str, hint: str = "") -> ConfigError:
        """An error about a URL, which is shown without its secrets."""
        return ConfigError(
            what, where=f"{self.setting} = {mask(url)}", hint=hint or f"{self.page} describes every option"
        )

    def table(self) -> str:
        """The options as a table in Markdown."""
        lines = ["| option | default | meaning |", "|---|---|---|"]
        for option in self.options:
            name = f"{option.name}<name>" if option.is_family else option.name
            default = option.unset or (f"`{option.default}`" if option.default else "none")
            lines.append(f"| `{name}` | {default} | {option.meaning} |")
        return "\n".join(lines) + "\n"

    def find(self, name: str) -> UrlOption | None:
        """The option of a name, or the family that the name is in."""
        for option in self.options:
            if name == option.name or (option.is_family and name.startswith(option.name)):
                return option
        return None

    def _require_known(self, name: str, url: str) -> None:
        if self.find(name) is not None:
            return
        if "@" in name:  # the rest of a password, which must not be shown
            raise self.error(url, f"{self.setting} cannot be read", "write a ? in a password as %3F")
        if self.no_credentials and re.search(HIDDEN_OPTIONS, name, re.IGNORECASE):
            raise self.error(
                url, f"credentials do not belong into {self.setting}: {name}=…", self.no_credentials
            )
        known = [option.name for option in self.options]
        close = get_close_matches(name, known, n=1, cutoff=0.7)
        hint = f"did you mean {close[0]}?" if close else f"use one of: {', '.join(known)}"
        raise self.error(url, f"{self.part} has no option {name!r}", hint)


class OptionValues:
    """The options of one URL: those it gives, checked, and the defaults of the others.

    Attributes:
        given: Option → text, as the URL gives it.

    Raises:
        ConfigError: A value is not valid.
    """

    def __init__(self, declared: UrlOptions, url: str, given: Mapping[str, str]) -> None:
        self.given = dict(given)
        self._declared = declared
        self._url = url
        self._values = {name: self._value(name, text) for name, text in self.given.items()}

    def __getitem__(self, name: str) -> Any:
        """The value of an option, or of its default."""
        if name in self._values:
            return self._values[name]
        option = self._declared.find(name)
        if option is None:
            raise KeyError(name)
        return None if option.default is None else option.kind.read(option.default)

    def __contains__(self, name: str) -> bool:
        """Whether the URL gives an option."""
        return name in self.given

    def family(self, prefix: str) -> dict[str, Any]:
        """The options given of a family, by what follows its name."""
        return {
            name.removeprefix(prefix): value
            for name, value in self._values.items()
            if name.startswith(prefix)
        }

    def complete(self, texts: Mapping[str, str]) -> OptionValues:
        """The same, with the texts of options that another place gives and the URL does not.

        Raises:
            ConfigError: A value is not valid.
        """
        return OptionValues(self._declared, self._url, dict(texts) | self.given)

    def error(self, what: str, hint: str = "") -> ConfigError:
        """An error about this URL."""
        return self._declared.error(self._url, what, hint)

    def _value(self, name: str, text: str) -> Any:
        option = self._declared.find(name)
        if option is None:
            raise KeyError(name)
        try:
            return option.kind.read(text)
        except ValueError:
            shown = (
                name if option.secret or "@" in text else f"{name}={text}"
            )  # an @ may be that of a password
            hint = f"use {option.kind.takes}; {self._declared.page} describes every option"
            raise self.error(f"the option {shown} is not valid", hint) from None
