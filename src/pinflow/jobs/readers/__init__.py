"""What jobs read from, in which order, and the times of acceptance of what they read."""
