"""The page of an object's timeline: every revision that changed it, what each of them changed, and the filters; it knows the shared rooms alone."""
