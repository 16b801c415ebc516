"""From pixels to damages: networks, masks and measurement."""
