"""Training and evaluation of bundles: from labelled photos to a bundle and its figures."""
