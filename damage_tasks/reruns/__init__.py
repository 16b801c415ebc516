"""Reruns: past photos are examined with another bundle, while nothing urgent waits."""
