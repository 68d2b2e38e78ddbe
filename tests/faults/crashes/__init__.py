"""Crashes: a client, a backend or the whole server is killed in the middle of a job, and what is left is judged.

`python -m tests.faults.crashes` plays as many rounds as are wanted; `tests/faults/test_crashes.py` plays some of them.
"""
