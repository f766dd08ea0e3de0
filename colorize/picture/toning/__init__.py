"""Toning: is it a negative, is it in colour, and the integer table from its luma to its prints'.

`evidence` weighs the border (`rebate`) and the picture (`score`); `film` measures what a negative
is turned over by; `tone` makes the table. `colour` tells photographs in colour from toned ones.
"""
