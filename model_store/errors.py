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
    "RolloutConflict",
    "RolloutInvalid",
    "RolloutStopped",
]


class DamageTaskError(Exception):
    """Raised when an unexpected error occurs; the root of the tree."""

    code = "unexpected"
    # The message of an error that is raised without one; every class has its own.
    default_text = "an unexpected error occurred"

    def __init__(self, text: str = "") -> None:
        super().__init__(text or self.default_text)

    def __str__(self) -> str:
        return str(self.args[0])


class ExtraMissing(DamageTaskError):
    """Raised when a feature needs an optional dependency that is not installed."""

    code = "extra_missing"
    default_text = "an optional dependency is not installed"

    @classmethod
    def of(cls, error: ModuleNotFoundError) -> ExtraMissing:
        """The install command for a library whose import failed with ``error``."""
        return cls(f"needs {error.name}: pip install 'damage-tasks[worker]'")


class BundleError(DamageTaskError):
    """Raised when a bundle cannot be fetched, verified or loaded; workers need one to run."""

    code = "bundle_invalid"
    default_text = "the bundle cannot be fetched, verified or loaded"


class BundleNotFound(BundleError):
    """Raised when there is no bundle at the given address."""

    code = "bundle_not_found"
    default_text = "there is no bundle at the given address"


class EnginesDisagree(BundleError):
    """Raised when a faster engine's results differ from torch's."""

    code = "engines_disagree"
    default_text = "the engine's results differ from torch's"


class BundleUnavailable(BundleError):
    """Raised when the model store is unreachable and the cache does not contain the bundle."""

    code = "bundle_unavailable"
    default_text = "the model store is unreachable and the cache does not contain the bundle"


class RolloutInvalid(BundleError):
    """Raised when the document of a roll-out, or a change to it, contradicts its rules."""

    code = "rollout_invalid"
    default_text = "the roll-out is invalid"


class RolloutConflict(BundleError):
    """Raised when a roll-out has been changed since it was read; look at it and try again."""

    code = "rollout_conflict"
    default_text = "the roll-out has been changed since it was read"


class RolloutStopped(BundleError):
    """Raised when a new bundle leaves the limits of its roll-out; the old one serves again."""

    code = "rollout_stopped"
    default_text = "the roll-out was stopped because the new bundle left its limits"
