"""What the job writes beside its results: the rules, and a script that proves a print."""
