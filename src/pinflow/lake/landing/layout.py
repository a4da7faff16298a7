"""The paths of landing objects in a lake, and how long the names of topics may be to fit into them.

The limits of a folder are those of the file system: 255 bytes for a name (ext4, XFS, APFS, NTFS; a file that is being
written has two more characters in its name), and Linux's 4,095 bytes for a path. The limit of a bucket is that of a key
in S3, 1,024 bytes
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

__all__ = ["ADOPTED", "FROM_LOG", "LONGEST_TOPIC", "PathLimits", "meta_path", "object_path", "path_limits"]

FROM_LOG, ADOPTED = "topics", "adopted"
"""The folders of objects with records from the log, and with records of a zone that another sink wrote."""

LONGEST_TOPIC = 249
"""Kafka's own limit: https://github.com/apache/kafka, org.apache.kafka.common.internals.Topic."""

FILE_NAME_BYTES, PATH_BYTES, KEY_BYTES = 255, 4095, 1024

TEMPORARY_SUFFIX = "#1"
"""The store adds this to the name of a file until the file is complete."""

LAST_OFFSET = 10**10 - 1
"""Offsets of up to ten digits fit."""


class PathLimits(NamedTuple):
    """The limits of one lake: bytes of a name between two slashes and of a whole path, and whether it folds case."""

    name_bytes: int
    path_bytes: int
    folds_case: bool = False
    """Names that differ only in case are the same name, as on most disks of macOS and Windows."""

    def fits(self, path: str) -> bool:
        """Whether an object can have this path."""
        names = path.encode().split(b"/")
        return len(path.encode()) <= self.path_bytes and max(map(len, names)) <= self.name_bytes

    def fits_topic(self, topic: str, partitions: int) -> bool:
        """Whether a topic with this many partitions can be landed."""
        return self.fits(meta_path(object_path(ADOPTED, topic, max(0, partitions - 1), LAST_OFFSET)))

    def longest_topic(self, partitions: int) -> int:
        """The maximum length of the name of a topic with this many partitions."""
        lengths = range(LONGEST_TOPIC, 0, -1)
        return next((each for each in lengths if self.fits_topic("x" * each, partitions)), 0)


def object_path(folder: str, topic: str, partition: int, first: int) -> str:
    """The path of the object whose first record has the offset `first`."""
    return f"{folder}/{topic}/partition={partition}/{topic}+{partition}+{first:010d}.json"


def meta_path(path: str) -> str:
    """The path of the object's `.meta`, which has what its lines cannot hold."""
    return f"{path}.meta"


def path_limits(url: str) -> PathLimits:
    """The limits of the lake at a URL, which need not exist and is not opened."""
    scheme, separator, rest = url.partition("://")
    if separator and scheme != "file":
        prefix = urlsplit(url).path.strip("/")
        return PathLimits(KEY_BYTES, KEY_BYTES - len(f"{prefix}/".encode()))
    folder = Path(rest if separator else url).absolute()
    below = len(TEMPORARY_SUFFIX)
    return PathLimits(
        FILE_NAME_BYTES - below,
        PATH_BYTES - len(f"{folder}/".encode()) - below,
        folds_case=_folds_case(folder),
    )


def _folds_case(folder: Path) -> bool:
    swapped = Path(str(folder).swapcase())
    try:
        return swapped != folder and folder.exists() and swapped.exists() and swapped.samefile(folder)
    except OSError:
        return False
