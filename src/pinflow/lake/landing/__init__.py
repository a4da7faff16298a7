"""The landing zone: its layout, its objects and their manifest; and the zone of a Kafka Connect sink."""
