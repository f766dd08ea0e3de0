"""What the cluster raises when no work can go on at all."""


class PoolError(Exception):
    """Say what keeps the workers from working, and how to mend it.

    The failure of one item or one worker is an event, never this.
    """

    retriable = False
