"""Which nodes of a cluster will go away: Ray hears of it from spot notices and autoscalers."""

import time

LOOK_SECONDS = 5.0
_PATIENCE_SECONDS = 5.0


class Draining:
    """Asks Ray now and then, and remembers its answer; needs a connected Ray."""

    def __init__(self) -> None:
        self._nodes: frozenset[str] = frozenset()
        self._asked = float("-inf")

    def nodes(self) -> frozenset[str]:
        """Return the ids of the nodes that are being drained, as far as Ray has told."""
        from ray._private.worker import global_worker  # as Ray's own libraries ask
        from ray.exceptions import RayError

        if time.monotonic() - self._asked >= LOOK_SECONDS:
            try:
                found = global_worker.gcs_client.get_draining_nodes(timeout=_PATIENCE_SECONDS)
                self._nodes = frozenset(found)
            except RayError:
                pass  # the head is busy or gone; whoever needs it for work will say so
            self._asked = time.monotonic()
        return self._nodes
