"""Dashboard: the jobs that run and the totals, live.

The folder is the whole feature. It reads the shared table of jobs and their logs in the store, so that the jobs of all
server processes are in it.
"""
