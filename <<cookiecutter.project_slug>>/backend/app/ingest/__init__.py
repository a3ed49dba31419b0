"""Ingest: take in a document from an upload or a URL, keep it, list it, search it.

The folder is the whole feature: its routes under /api, its tables, its files under DATA_DIR.
"""
