"""How lists of any length are gone through: paging by key, searching revisions in windows, and the form of filters; it knows no page that has a list."""
