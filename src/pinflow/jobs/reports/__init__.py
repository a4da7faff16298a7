"""Reports about a home: audit, status, integrity, metrics."""
