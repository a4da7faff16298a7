"""What is odd about a cluster and its topics."""
from __future__ import annotations


def examine(clients, topics):
    return []
