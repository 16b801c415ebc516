"""From pixels to damages: networks, masks, measurement."""
