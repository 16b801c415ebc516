"""The root of the error tree, and the errors of bundles and engines.

Codes are part of the contract (``docs/reference/errors.md``).  `damage_tasks.errors`
defines the rest of the tree and re-exports these.
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
    """Raised when damage-tasks cannot do what was requested; the root of the tree."""

    code = "unexpected"

    def __init__(self, text: str = "") -> None:
        super().__init__(text or _default_text(type(self)))

    def __str__(self) -> str:
        return str(self.args[0])


def _default_text(kind: type[DamageTaskError]) -> str:
    """The class's docstring as a message: "Raised when X." becomes "X"."""
    line = (kind.__doc__ or "").splitlines()[0]
    return line.removeprefix("Raised when ").removesuffix(".")


class ExtraMissing(DamageTaskError):
    """Raised when a feature needs an optional dependency that is not installed."""

    code = "extra_missing"

    @classmethod
    def of(cls, error: ModuleNotFoundError) -> ExtraMissing:
        """The install command for a library whose import failed with ``error``."""
        return cls(f"needs {error.name}: pip install 'damage-tasks[worker]'")


class BundleError(DamageTaskError):
    """Raised when a bundle cannot be fetched, verified or loaded; workers need one to run."""

    code = "bundle_invalid"


class BundleNotFound(BundleError):
    """Raised when there is no bundle at the given address."""

    code = "bundle_not_found"


class EnginesDisagree(BundleError):
    """Raised when a faster engine's results differ from torch's."""

    code = "engines_disagree"


class BundleUnavailable(BundleError):
    """Raised when the model store is unreachable and the cache does not contain the bundle."""

    code = "bundle_unavailable"
