"""Makes faces and plates unrecognisable in pictures that leave the system."""
