"""Which nodes of a cluster will go away: Ray hears of it from spot notices and autoscalers."""

import time

LOOK_SECONDS = 5.0


class Draining:
    """Asks Ray now and then, and remembers its answer; needs a connected Ray."""

    def __init__(self) -> None:
        self._nodes: frozenset[str] = frozenset()
        self._asked = float("-inf")

    def nodes(self) -> frozenset[str]:
        """Return the ids of the nodes that are being drained."""
        from ray._private.state import state  # Ray's own libraries ask here too

        if time.monotonic() - self._asked >= LOOK_SECONDS:
            self._nodes = frozenset(state.get_draining_nodes())
            self._asked = time.monotonic()
        return self._nodes
