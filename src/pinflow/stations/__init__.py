"""Stations: the processes of the pipeline, started, watched and ended together."""
