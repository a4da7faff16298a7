"""batch and stream: make clean rows, and move records that cannot be rows to quarantine."""
