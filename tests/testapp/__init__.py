"""A small shop whose tables are of every kind that tracking has to cover."""
