"""Chaos testing: everything fails in turn, and every message must still end correctly.

``make chaos PHOTOS=500 SEED=1`` runs it; `test_chaos` does a short run.
"""
