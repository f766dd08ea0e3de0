"""Teaching generators from colour photographs, as DeOldify's were taught.

A `Recipe` names the phases. A `Trainer` goes through them: a `Loader` gives batches (photographs
from a `Shelf`, cut in squares and aged), an `Update` learns from each in the `Networks`, generator
and critic, and a `Record` keeps checkpoints, so that any process may die at any moment.
"""
