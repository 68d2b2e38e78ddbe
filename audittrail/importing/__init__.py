"""Importing, beside the stages: it brings along what other packages recorded before tracking began, and knows capture, revisions, and the package that it is told to read."""
