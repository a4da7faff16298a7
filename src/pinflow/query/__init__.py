"""Questions and free SQL over the latest rows."""
