"""Stores: what holds the logs of many jobs."""
