"""Evidence: signed files about inspections, which can be verified and examined again."""
