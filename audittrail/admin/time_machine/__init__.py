"""The time machine: a user chooses a moment, and every page of every site shows the data as of then, read-only; it knows the shared rooms alone."""
