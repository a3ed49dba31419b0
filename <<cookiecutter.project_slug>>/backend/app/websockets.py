"""How uvicorn takes WebSockets here."""

from __future__ import annotations

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

__all__ = ["WebSocketProtocol"]


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's own, that also answers a request for a WebSocket which it cannot read, and hangs up.

    Uvicorn (0.54) leaves such a connection open and says nothing: a path of more than 8 KB, for instance, never got an
    answer.
    """

    def data_received(self, data: bytes) -> None:
        """Takes in what has come."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()
