"""The formats in which labelling tools and public data sets store outlines, one module each."""
