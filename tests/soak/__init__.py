"""The soak test's judgement, and a run of a minute."""
