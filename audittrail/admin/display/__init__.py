"""How history reads: values, names of objects, differences, operations, times, authors and origins become text and HTML; it knows whom it is shown to, and no page."""
