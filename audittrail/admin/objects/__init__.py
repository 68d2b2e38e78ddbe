"""The object that a page is about: how an address finds it, present, past or deleted, and which tables hold what belongs to it; it knows no page."""
