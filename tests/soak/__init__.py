"""A soak: the app's real servers under load for minutes or hours, with faults at random, and a judge at the end.

    make soak                                   # half an hour on the memory store
    make soak MINUTES=5 STORE=redis SEED=7      # that run again: the seed decides on jobs, viewers and faults

Two servers behind nginx share a store (one server alone with the memory store). Jobs begin, log and end; viewers come
by server-sent events, WebSocket or polls, leave, come back, stall. In the first half servers and the store are killed,
stopped and restarted; in the second half the servers are left alone, so that what they hold can be compared. What every
viewer was shown is checked while it comes: see `judge`. What a server holds is measured at rest: see `resources`.
"""
