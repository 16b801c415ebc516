"""From a checkpoint to a bundle: thresholds, quantisation, model card."""
