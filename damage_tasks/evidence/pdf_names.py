"""What the words of a result are called in the reader's language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from damage_tasks.languages.error_explanations import explain

if TYPE_CHECKING:
    from damage_tasks.languages.catalogues import Language


class PdfNames:
    """Names in ``language``, mostly those of the inspectors' page; unknown words stay as is."""

    def __init__(self, language: Language) -> None:
        _ = self._ = language.gettext
        self._types = {
            "dent": _("dent"),
            "scratch": _("scratch"),
            "spacing": _("spacing"),
            "breakage": _("breakage"),
        }
        self._severities = {
            "minor": _("minor"),
            "moderate": _("moderate"),
            "severe": _("severe"),
        }
        self._verdicts = {
            "damaged": _("damaged"),
            "clean": _("clean"),
            "rejected": _("rejected"),
            "failed": _("failed"),
        }
        self._actions = {
            "confirm": _("Confirmed"),
            "no_damage": _("No damage"),
            "wrong_type": _("Type corrected"),
            "severity": _("Severity corrected"),
            "missed": _("Missed damage marked"),
            "reshape": _("Outline corrected"),
            "retake": _("Another photo requested"),
            "note": _("Note"),
        }
        self._novelties = {"new": _("new"), "seen_before": _("seen before")}
        self._reasons = {
            "marked": _("The networks found damage at this place in an earlier photo."),
            "same_look": _("An earlier photo looks the same at this place."),
            "absent": _("An earlier photo shows this place without damage."),
            "looks_different": _(
                "Earlier photos of this part look too different: light, reflections or dirt."
            ),
            "too_coarse": _("Earlier photos of this place are too small, blurred, dark or bright."),
            "not_in_photo": _("Earlier photos end before this place."),
            "other_view": _("No earlier photo clearly shows this part of the car."),
            "not_kept": _("The earlier photos are not kept."),
            "photo_not_kept": _("This photo is not kept."),
            "no_car": _("The photo was sent without a car_id."),
            "no_earlier_photo": _("There are no earlier photos of this car."),
        }
        self._qualities = {"good": _("good"), "poor": _("poor")}
        self._quality_reasons = {
            "blurred": _("blurred"),
            "too_dark": _("too dark"),
            "overexposed": _("overexposed"),
        }
        self._stages = {
            "download": _("download"),
            "decode": _("decoding"),
            "segmentation": _("segmentation"),
            "overlay": _("overlay"),
            "persistence": _("storage"),
            "total": _("total"),
        }
        self._missing = {"the photo was not examined": _("the photo was not examined")}

    def damage_type(self, type: str) -> str:
        return self._types.get(type, type)

    def network(self, name: str) -> str:
        return self._("damage") if name == "damage" else self.damage_type(name)

    def severity(self, severity: str) -> str:
        return self._severities.get(severity, severity)

    def verdict(self, verdict: str | None) -> str:
        """The name of ``verdict``; None asks for another photo."""
        if verdict is None:
            return self._("another photo needed")
        return self._verdicts.get(verdict, verdict)

    def action(self, action: str) -> str:
        return self._actions.get(action, action)

    def novelty(self, novelty: str) -> str:
        return self._novelties.get(novelty, self._("can't tell"))

    def why(self, reason: str) -> str:
        """The sentence for the reason of a comparison."""
        return self._reasons.get(reason, self._("Not all earlier photos have been compared yet."))

    def quality(self, verdict: str) -> str:
        return self._qualities.get(verdict, verdict)

    def quality_reason(self, reason: str) -> str:
        return self._quality_reasons.get(reason, reason)

    def stage(self, stage: str) -> str:
        return self._stages.get(stage, stage)

    def missing(self, problem: str) -> str:
        return self._missing.get(problem, problem)

    def reason(self, code: str, text: str) -> str:
        """What an error means; its technical details, ``code`` and ``text``, stay in English."""
        meaning = explain(code)
        translated = self._(meaning) if meaning else ""
        details = f"{code}: {text}"
        return details if translated in ("", meaning) else f"{translated} ({details})"
