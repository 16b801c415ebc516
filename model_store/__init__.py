"""Bundles of networks: what they are, where they come from, and how they run.

`manifest` describes a bundle, `store` fetches and verifies one, `architectures`
and `engine` execute its networks, `recipe` trains and evaluates them.
"""
