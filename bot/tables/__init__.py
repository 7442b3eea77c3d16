"""The tables, one file a step, found by walking this folder and applied in the order of the names.

A step is a file ``mNNNN_what.py`` with ``migrate(db)``. It runs once, in a transaction, and is
never
edited after a release: a change of a table is a new file.
"""
