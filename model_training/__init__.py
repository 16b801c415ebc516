"""Training and evaluation of bundles, starting from labelled photos."""
