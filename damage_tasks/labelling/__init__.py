"""Labels of photos for training: exported with people's decisions, and imported as decisions."""
