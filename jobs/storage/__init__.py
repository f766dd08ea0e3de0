"""Where things lie: a place of objects that are created once, on disk or S3, and what reads it."""
