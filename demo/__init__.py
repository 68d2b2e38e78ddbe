"""The demo: a register of countries whose eight releases become eight revisions."""
