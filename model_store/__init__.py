"""Bundles of networks: what they are, where they come from, and how they run.

`manifest` describes a bundle, `bundle` verifies one, `fetch` downloads and caches it,
`publishing` uploads it, and `architectures` and `engines` execute its networks.
"""
