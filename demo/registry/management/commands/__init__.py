"""The commands themselves, a module each."""
