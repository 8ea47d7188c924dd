"""What the bot and the workers agree on about the broker's queues."""

from __future__ import annotations

BULK = 9  # priority of a message that may wait; 0, which goes first, is that of all others
