"""Reading: a file becomes samples, strictly, or a SourceError that says why not.

`decoders` tells by magic bytes which opener reads a file; each opener says in its first lines what
it reads and by which library. `reading_room` lets all that happen in processes of its own
(`reader`), under limits of memory and time.
"""
