"""Agents: a job that hands out each new document to workers that tag it, sum it up and index it.

The folder is the whole feature: its routes under /api, its table, its job. It finds the documents of other features in
`Services.documents`, which say when there is something new, and is content where there are none.
"""
