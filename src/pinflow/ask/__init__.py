"""Questions and free SQL over the latest rows. `pinflow.query` is the verb that asks them, so the package is not."""
