"""A synthetic source, drawn to the shape of the real site's tables."""
