"""The Ray node that this process is connected through: without it nothing more can be started."""

import time

import ray
from ray.exceptions import RayError

from photochrom.cluster.errors import PoolError

LOOK_SECONDS = 5.0


class Home:
    """Asks Ray now and then whether its own node lives; needs a connected Ray.

    Ray tells no driver that its raylet has died, and lets it wait for ever.
    """

    def __init__(self) -> None:
        self._node = ray.get_runtime_context().get_node_id()
        self._asked = time.monotonic()

    def check(self) -> None:
        """Raise PoolError if the node is dead, which Ray knows 15 to 20 s after it happened."""
        if time.monotonic() - self._asked < LOOK_SECONDS:
            return
        self._asked = time.monotonic()
        try:
            nodes = ray.nodes()
        except RayError:
            return  # the head is busy or gone; whoever needs it for work will say so
        if any(node["NodeID"] == self._node and not node["Alive"] for node in nodes):
            raise PoolError(
                "the Ray of this machine has died, as when memory runs out, and no work can go on; "
                "the same command, run again, does"
            )
