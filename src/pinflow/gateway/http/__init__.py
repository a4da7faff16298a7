"""Connections, requests, bodies and sockets, below the dialects."""
