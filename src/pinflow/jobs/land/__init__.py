"""land: the log, or a zone that another sink wrote, into the landing zone."""
