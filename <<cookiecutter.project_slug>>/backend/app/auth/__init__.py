"""Who uses the app: `CurrentUser` is the type of a route's parameter that wants to know."""

from app.auth.user import LOCAL_USER, CurrentUser, User

__all__ = ["LOCAL_USER", "CurrentUser", "User"]
