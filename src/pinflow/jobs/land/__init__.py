"""land: copy records into the landing zone, from the log or from the zone of another sink."""
