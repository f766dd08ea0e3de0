"""Files for clusters, to be filled by `photochrom cluster render` and edited little."""
