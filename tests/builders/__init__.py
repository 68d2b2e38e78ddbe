"""What tests of several folders build their data with; tests/README.md says what is where."""
