"""How a log reaches its viewers."""
