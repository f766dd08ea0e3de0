"""The weights that ship with the product, each beside its card."""
