"""Questions to an output place, long after its job.

`questions` gives the ledger, the prints and the `current` view to DuckDB; `verify` proves prints,
plates and rows against the originals; `findings` are what it says. Nothing here imports torch.
"""
