"""What is to be done: manifests, the log of plans, shards, and what they will take."""
