"""Marking: what a print says of itself, what it carries over, and by whom it is signed.

`marks` is our XMP, which no switch leaves off; `carried` keeps what the original said and is still
true; `c2pa` signs, last of all.
"""
