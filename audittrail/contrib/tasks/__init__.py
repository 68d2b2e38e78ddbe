"""Tasks that run elsewhere: their revisions say which task ran, and for whom and why it was sent."""
