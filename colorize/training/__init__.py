"""Teaching generators from colour photographs.

`pretrain` learns Pocket from tar shards (`data`), greyed as old emulsions would (`degrade`);
`validate` measures it, `export` writes what a generator loads, `credits` names the sources.
"""
