"""maintain: log, tables and plans kept small."""
