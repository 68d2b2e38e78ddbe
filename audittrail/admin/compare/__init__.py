"""The page of an object at two moments, side by side; it knows the shared rooms alone."""
