"""What the cluster raises when no work can go on, and what a worker raises when it cannot."""

from photochrom.cluster.events import DeathKind


class PoolError(Exception):
    """Say what keeps the workers from working, and how to mend it.

    The failure of one item or one worker is an event, never this.
    """

    retriable = False


class TrainerError(PoolError):
    """Say what keeps a crew from training, in one line.

    What the training function raises itself comes out as it is, unless it cannot travel.
    """


class SubmitError(PoolError):
    """Say why a cluster does not take a job, or lost it."""


class WorkerLost(Exception):  # noqa: N818 - raised by the worker, of itself
    """Say from within a worker that its process can do no more, and needs to be replaced.

    The item it was doing has not failed: its worker has died over it.
    """

    def __init__(self, kind: DeathKind, cause: str) -> None:
        super().__init__(cause)
        self.kind: DeathKind = kind

    def __reduce__(self) -> tuple[type["WorkerLost"], tuple[DeathKind, str]]:
        return type(self), (self.kind, str(self))
