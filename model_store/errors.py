"""The root of the error tree, and the errors of bundles and engines.

Codes are part of the contract (``docs/reference/errors.md``).  `damage_tasks.errors`
has the rest of the tree and offers these too.
"""

from __future__ import annotations

__all__ = [
    "BundleError",
    "BundleNotFound",
    "BundleUnavailable",
    "DamageTaskError",
    "EnginesDisagree",
    "ExtraMissing",
]


class DamageTaskError(Exception):
    """Raised when damage-tasks cannot do what it was asked; the root of the tree."""

    code = "unexpected"

    def __init__(self, text: str = "") -> None:
        super().__init__(text or (self.__doc__ or "").splitlines()[0])

    def __str__(self) -> str:
        return str(self.args[0])


class ExtraMissing(DamageTaskError):
    """Raised when a feature needs an optional dependency that is not installed."""

    code = "extra_missing"

    @classmethod
    def of(cls, error: ModuleNotFoundError) -> ExtraMissing:
        """What to install where an import of the worker's libraries has failed."""
        return cls(f"needs {error.name}: pip install 'damage-tasks[worker]'")


class BundleError(DamageTaskError):
    """Raised when a bundle cannot be fetched, verified or loaded; nothing is served without one."""

    code = "bundle_invalid"


class BundleNotFound(BundleError):
    """Raised when there is no bundle at the given place."""

    code = "bundle_not_found"


class EnginesDisagree(BundleError):
    """Raised when a faster engine says something else of photos than torch does."""

    code = "engines_disagree"


class BundleUnavailable(BundleError):
    """Raised when the model store cannot be reached and the cache does not have the bundle."""

    code = "bundle_unavailable"
