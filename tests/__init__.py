"""The test suite: a folder per stage, a file per promise."""
