"""Printing: luma and a plate's colour become a file, which is decoded again and proven.

`merge` lays chroma on luma; `rendering` does it strip by strip at the recipe's size; the encoders
write what comes on a `canvas`; `proof` reads the file back. `printing` is the order of it all.
"""
