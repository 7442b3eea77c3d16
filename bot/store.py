"""SQLite as the record of truth: WAL, synchronous FULL, one writer, group commit.

Written by the store's owner; the public surface every other module relies on is
``Store.open``, ``Store.write``, ``Store.read`` and ``Store.close``.
"""
