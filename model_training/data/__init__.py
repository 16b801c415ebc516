"""Training data: labelled photos, targets and augmentation."""
