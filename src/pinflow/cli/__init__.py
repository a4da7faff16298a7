"""The commands: each parses, calls one verb of `pinflow.tasks`, and prints."""
