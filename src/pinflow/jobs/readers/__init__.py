"""Where jobs read from, in which order, and when their records count as accepted."""
