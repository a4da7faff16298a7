"""Delta tables, their commits, and their upkeep."""
