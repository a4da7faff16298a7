"""Stations: the pipeline's processes, started, watched and ended together."""
