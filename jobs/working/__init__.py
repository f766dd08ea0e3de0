"""Who does it: a worker's photos through fetch, decode, paint, print and proof; presses."""
