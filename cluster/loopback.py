"""Ray Train's torch backend, whose workers find each other on loopback only if Ray runs there.

The store at which they meet listens on all addresses of its machine, whatever the address it is
told. The way in is the switch by which torch takes a socket that listens already. Nothing here
imports torch: Ray's backend has.
"""

import socket
import sys
from ipaddress import ip_address
from typing import Any

from ray.train.torch import TorchConfig
from ray.train.torch.config import _TorchBackend


class LoopbackBackend(_TorchBackend):  # type: ignore[misc]
    """Start the process group once every worker minds which address its store listens on."""

    def on_start(self, worker_group: Any, backend_config: Any) -> None:
        """Prepare the workers, then do what Ray does."""
        worker_group.execute(mind_the_address)
        super().on_start(worker_group, backend_config)


class LoopbackConfig(TorchConfig):  # type: ignore[misc]
    """Ray's settings of the process group, for the backend above."""

    @property
    def backend_cls(self) -> type[LoopbackBackend]:
        """Name the backend, as Ray asks for it."""
        return LoopbackBackend


def mind_the_address() -> None:
    """Make stores that are told a loopback address listen on that address alone."""
    rendezvous: Any = sys.modules["torch.distributed.rendezvous"]
    plain = rendezvous.TCPStore

    def store(host_name: str, port: int, **options: Any) -> Any:
        if options.get("is_master") and _is_loopback(host_name):
            family = socket.AF_INET6 if ":" in host_name else socket.AF_INET
            listening = socket.create_server((host_name, port), family=family)
            options["master_listen_fd"] = listening.detach()
        return plain(host_name=host_name, port=port, **options)

    rendezvous.TCPStore = store


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
