"""Random statements that do several things to a row at once, against the only truth there is: the tables themselves.

After every statement the last version of each key is the row, and the versions of a key make sense one after the other.
`python -m tests.entangled` runs many; the tests run a few.
"""
