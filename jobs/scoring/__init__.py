"""How near painted photographs come to their real colours: where the pairs come from.

`matching` pairs pictures that exist by their names, `stored` finds photographs wherever they lie,
`score` reads or paints each pair and hands it to `photochrom.colorize.scoring`.
"""
