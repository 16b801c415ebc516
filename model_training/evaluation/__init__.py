"""Evaluation of bundles on labelled photos."""
