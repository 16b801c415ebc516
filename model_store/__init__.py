"""Bundles of networks: their format, where they are stored, and how they run.

`manifest` describes a bundle, `bundle` verifies one, `fetch` downloads and caches it,
`publishing` uploads it, and `architectures` and `engines` execute its networks.
"""
