"""maintain: keeps the log, the tables and the plans small."""
