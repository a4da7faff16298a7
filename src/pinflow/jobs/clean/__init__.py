"""batch and stream: clean rows, rejects, and what becomes of a record at which a rule fails."""
