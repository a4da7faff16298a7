"""One function a verb: each opens the parts that the settings name, does the work, and returns what `--json` prints.

The commands call these functions, and so do notebooks, schedulers and dashboards, as `pinflow.batch()` and so on.
Without settings a function takes those that a command would load: see `pinflow.settings`. All of them raise
`PinflowError` for what can be expected to fail. Parts are imported when a function needs them.
"""

from pinflow.tasks.jobs import JobResult, adopt, batch, land, stream
from pinflow.tasks.posts import SourceResult, create_source, emulate, load_source, show_source
from pinflow.tasks.queries import query, query_all, questions
from pinflow.tasks.reports import audit, doctor, status
from pinflow.tasks.tables import abandon_replay, maintain, replay, retry_quarantine
from pinflow.tasks.topics import create_topic, delete_topic, list_topics

__all__ = [
    "JobResult",
    "SourceResult",
    "abandon_replay",
    "adopt",
    "audit",
    "batch",
    "create_source",
    "create_topic",
    "delete_topic",
    "doctor",
    "emulate",
    "land",
    "list_topics",
    "load_source",
    "maintain",
    "query",
    "query_all",
    "questions",
    "replay",
    "retry_quarantine",
    "show_source",
    "status",
    "stream",
]
