"""From pixels to damaged areas: networks, masks and measurement."""
