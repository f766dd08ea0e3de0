"""Who sees that it is done: the driver, its queue, and what it watches while others work."""
