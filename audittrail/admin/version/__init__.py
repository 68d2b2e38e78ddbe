"""The page of an object as a revision left it, laid out as its ModelAdmin does; it knows the shared rooms alone."""
