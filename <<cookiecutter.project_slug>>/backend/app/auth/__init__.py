"""Sign-in: users with passwords, short access tokens, sessions that last, tickets for one job."""

from app.auth.feature import FEATURE
from app.users import LOCAL_USER, CurrentUser, User

__all__ = ["FEATURE", "LOCAL_USER", "CurrentUser", "User"]
