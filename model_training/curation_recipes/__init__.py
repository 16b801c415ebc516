"""Rules by which photos were curated."""
