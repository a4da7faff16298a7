"""Stations: the road's processes, started, watched and ended together."""
