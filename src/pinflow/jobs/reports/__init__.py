"""What is reported of a home: audit, status, integrity, metrics."""
