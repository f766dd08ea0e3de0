"""Teaching generators from colour photographs, as DeOldify's were taught.

A `Recipe` names the phases. A `Course` goes through them: a `Feed` gives lessons (photographs from
a `Shelf`, cut in squares and aged), a `Drill` learns from each in the `Studio`, which holds
generator and critic, and a `Record` keeps checkpoints: any process may die at any moment.
"""
