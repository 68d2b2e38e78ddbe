"""The list of a model's deleted objects: its search, filters and table; it knows the shared rooms alone."""
