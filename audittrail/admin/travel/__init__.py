"""The time machine in the admin: a user chooses a moment, and every page of every site shows the data as of then, read-only."""
