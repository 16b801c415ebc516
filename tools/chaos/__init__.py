"""Chaos: everything dies in turn, and every message must still end as it should.

``make chaos PHOTOS=500 SEED=1`` runs it; `test_chaos` runs a short one.
"""
