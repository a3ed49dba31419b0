"""Agents: a coordinator hands out each new document to workers that tag it, sum it up and index it.

The folder is the whole feature: its routes under /api, its tables, its lock in DATA_DIR. It finds the documents of
other features in `Services.documents`, and is content where there are none.
"""
