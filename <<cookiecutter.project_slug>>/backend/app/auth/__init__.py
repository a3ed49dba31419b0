"""Sign-in: users with passwords, short access tokens, sessions that last, tickets for one job."""
