"""The page of a revision: all that one transaction changed, model by model; it knows the shared rooms alone."""
