"""Browsers that somebody has signed in with before."""

from __future__ import annotations

import base64
import hmac
import re
import secrets

from app.auth.accounts import Account

__all__ = ["DEVICE_SECONDS", "Devices"]

DEVICE_SECONDS = 400 * 86_400
"""How long a browser is remembered: as long as browsers keep any cookie (RFC 6265bis, 5.5)."""

_USERS = 5
_MOST = 40
_MARK = re.compile(r"[\w-]{16}\.[\w-]{43}", re.ASCII)


class Devices:
    """Knows a browser again by a cookie: OWASP's device cookies
    (https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies).

    It opens nothing: it only says that whoever has it may try their password by a count of their own, which no
    stranger's attempts are part of. It holds a random mark and a signature for each of the last five users of the
    browser, which tell a reader nothing of them. Another password makes those before it worthless. Nothing is stored,
    and a cookie that somebody else has set beside it takes nothing away.

    Arguments:
        secret: the key of the signatures.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def find(self, cookie: str, account: Account | None) -> str | None:
        """The mark of this browser for a user; None where they have not signed in with it, or had another password."""
        if account is not None:
            for each in _marks(cookie):
                mark, _, signature = each.partition(".")
                if hmac.compare_digest(signature, self._sign(mark, account)):
                    return mark
        return None

    def remember(self, cookie: str, account: Account) -> str:
        """The browser's next cookie, after a user has signed in."""
        mine = self.find(cookie, account)
        others = [each for each in _marks(cookie) if each.partition(".")[0] != mine]
        mark = secrets.token_urlsafe(12)
        return "~".join([f"{mark}.{self._sign(mark, account)}", *others][:_USERS])

    def _sign(self, mark: str, account: Account) -> str:
        text = f"device {mark} {account.user.id} {account.password}"
        digest = hmac.digest(self._secret, text.encode("utf-8", "surrogatepass"), "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _marks(cookie: str) -> list[str]:
    return _MARK.findall(cookie)[:_MOST]
