"""Turns a checkpoint into a bundle: thresholds, quantisation, model card."""
