"""Training data: labelled photos, targets, sampling and augmentation."""
