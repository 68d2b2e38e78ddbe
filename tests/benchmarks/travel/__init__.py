"""The project whose past the time travel benchmark reads: a shop of ten tables."""
