"""The source of the posts, and the emulator that sends them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pinflow.config import mask
from pinflow.tasks.defaults import SILENT, chosen_settings

if TYPE_CHECKING:
    import threading

    from pinflow.config import Settings
    from pinflow.emulator import EmulatorReport
    from pinflow.emulator.emulation import EndpointChoice, Rate
    from pinflow.progress import Progress
    from pinflow.source import SourceSummary


__all__ = ["SourceResult", "create_source", "emulate", "load_source", "show_source"]


class SourceResult(msgspec.Struct, frozen=True):
    """A source that was filled: its URL without its password, and how many posts it holds."""

    source: str
    posts: int


def create_source(
    settings: Settings | None = None,
    *,
    posts: int = 11_154,
    seed: int = 100,
    replace: bool = False,
    progress: Progress = SILENT,
) -> SourceResult:
    """Make a synthetic source; the same posts and seed give the same rows everywhere.

    Raises:
        TerminalError: The source holds posts already, and `replace` is not set.
    """
    from pinflow import source

    url = chosen_settings(settings).config.source.url
    return SourceResult(
        mask(url), source.create(url, posts=posts, seed=seed, replace=replace, progress=progress)
    )


def load_source(
    folder: str | Path,
    settings: Settings | None = None,
    *,
    replace: bool = False,
    progress: Progress = SILENT,
) -> SourceResult:
    """Read a source from pin.jsonl, geo.jsonl and user.jsonl of a folder: one row a line, fields as in the tables.

    Raises:
        TerminalError: A file or a line of it cannot be taken, or the source holds posts and `replace` is not set.
    """
    from pinflow import source

    url = chosen_settings(settings).config.source.url
    return SourceResult(mask(url), source.load(url, Path(folder), replace=replace, progress=progress))


def show_source(settings: Settings | None = None) -> SourceSummary:
    """What is in the source.

    Raises:
        AbsentError: There is none yet.
    """
    from pinflow import source

    return source.summary(chosen_settings(settings).config.source.url)


def emulate(
    settings: Settings | None = None,
    *,
    to: EndpointChoice = "both",
    rate: Rate = None,
    posts: int | None = None,
    each_once: bool = False,
    seed: int | None = None,
    url: str | None = None,
    stop: threading.Event | None = None,
    progress: Progress = SILENT,
) -> EmulatorReport:
    """Post the source's posts through a gateway that runs: pin, geo and user of each.

    Args:
        settings: The configuration; by default what `pinflow.settings()` returns.
        to: Through which endpoint: batch is Kafka REST, stream is Kinesis; or each post through both.
        rate: Posts a second, or "max"; by default pauses of 0 or 1 s.
        posts: How many posts; by default it goes on until `stop` is set.
        each_once: Every post of the source once, in order, instead of a draw.
        seed: Of the draw; by default `emulator.seed`.
        url: Where the gateway listens; by default `emulator.url`, or the gateway of this configuration.
        stop: Ends it after the posts in flight.
        progress: Watches it.

    Raises:
        UsageError: The source holds no such posts, or the URL is not one of a gateway.
        UnavailableError: The gateway or the source cannot be reached.
    """
    from pinflow.emulator import emulate as post

    config = chosen_settings(settings).config
    return post(
        config.source.url,
        url or config.emulator.url or config.gateway.url,
        config.id,
        to=to,
        posts=posts,
        each_once=each_once,
        rate=rate,
        seed=config.emulator.seed if seed is None else seed,
        batch_posts=config.emulator.batch_posts,
        api_key=config.emulator.api_key,
        ca_file=config.emulator.ca_file,
        stop=stop,
        progress=progress,
    )
