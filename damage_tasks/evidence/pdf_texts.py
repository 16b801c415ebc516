"""The texts of evidence as a PDF, in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from damage_tasks.evidence.pdf_file import JSON_NAME
from damage_tasks.evidence.pdf_names import PdfNames
from damage_tasks.reviewed_areas import marked_place

if TYPE_CHECKING:
    from damage_tasks.languages.catalogues import Language

Rows = Iterable[tuple[str, Any]]


class PdfTexts:
    """Titles, and rows of a name and a value, in ``language``."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._names = PdfNames(language)
        self._ = _ = language.gettext
        self.damages = _("Damaged areas found by the networks")
        self.marked_areas = _("Damaged areas marked by a person")
        self.decisions = _("Decisions of people")
        self.no_decisions = _("none")
        self.earlier_photos = _("Earlier photos of the car")
        self.no_earlier_photos = _("none known")

    def title(self, facts: Mapping[str, Any]) -> str:
        """The title of the whole file."""
        case = facts["case"]
        if case:
            return self._("Evidence: case %(id)s") % {"id": case["case_id"]}
        return self._("Evidence: %(id)s") % {"id": facts["photos"][0]["id"]}

    def foot(self, facts: Mapping[str, Any], key_id: str) -> str:
        """The line at the foot of each page."""
        values = {"moment": self._moment(facts["made_at"]), "key": key_id}
        return self._("damage-tasks, made %(moment)s, key %(key)s") % values

    def photo(self, number: int) -> str:
        """The heading of a photo."""
        return self._("Photo %(number)s") % {"number": number}

    def summary(self, facts: Mapping[str, Any]) -> Rows:
        """What concerns the whole file."""
        _ = self._
        yield _("made by"), facts["made_by"]
        yield _("made at"), self._moment(facts["made_at"])
        yield _("software"), facts["software"]
        if facts["faces_and_plates_pixelated"]:
            yield _("pictures"), _("faces and plates are pixelated, as far as they were found")
        yield (
            _("billable"),
            _("yes: a person has decided that there is damage")
            if facts["billable"]
            else _("no: damage is billable only after a person has decided that it is there"),
        )
        if facts["case"]:
            yield _("photos"), len(facts["photos"])
        yield (
            _("signature"),
            _(
                "Ed25519 over all bytes of this file; check it with: damage-tasks evidence verify "
                "FILE. The attached %(name)s has the same facts and pictures."
            )
            % {"name": JSON_NAME},
        )

    def facts(self, photo: Mapping[str, Any]) -> Rows:
        """What is known about a photo."""
        _, names = self._, self._names
        quality, bundle = photo["quality"], photo["bundle"]
        yield _("inspection"), photo["id"]
        yield _("photo"), photo["photo"]["url"]
        yield _("SHA-256 of the photo"), photo["photo"]["sha256"]
        yield _("verdict that counts"), self._counting(photo["counting_verdict"])
        yield _("billable"), _("yes") if photo["billable"] else _("no")
        yield _("verdict of the networks"), self._of_networks(photo)
        if photo["reason"]:
            yield _("reason"), names.reason(photo["reason"]["code"], photo["reason"]["text"])
        if quality:
            reasons = map(names.quality_reason, quality["reasons"])
            yield _("quality"), ", ".join([names.quality(quality["verdict"]), *reasons])
        if bundle:
            values = {**bundle, "name": f"{bundle['name']} {bundle['version']}"}
            yield _("bundle"), _("%(name)s, digest %(digest)s") % values
        times = (f"{names.stage(name)} {ms:.0f}" for name, ms in photo["timings_ms"].items())
        yield _("timings in ms"), ", ".join(times)
        yield _("examined at"), self._moment(photo["finished_at"])
        yield from photo["metadata"].items()
        for problem in photo["missing"]:
            yield _("missing"), names.missing(problem)

    def damage(
        self, number: int, damage: Mapping[str, Any], history: Mapping[str, Any] | None
    ) -> Sequence[str]:
        """The lines next to a damaged area; the last one is small."""
        _, language = self._, self._language
        share = language.number(damage["area_ratio"] * 100, 2)
        type = self._names.damage_type(damage["type"])
        severity = self._names.severity(damage["severity"])
        return (
            f"{number}. {type}, {severity}",
            _("confidence %(share)s") % {"share": language.percent(damage["confidence"])},
            _("%(share)s of the photo") % {"share": f"{share}%"},
            self._history(history),
            self._place(damage["bbox"]),
        )

    def marked_area(self, area: Mapping[str, Any]) -> Sequence[str]:
        """The lines next to an area that a person marked; the last one is small."""
        names, corrects = self._names, area["corrects"]
        type = names.damage_type(area["type"]) if area["type"] else self._("damage")
        what = [names.action("missed" if corrects is None else "reshape")]
        if corrects is not None:
            what.append(self._area(corrects))
        return (
            f"{area['number']}. {type}, {self._by(area['person'])}",
            "; ".join(what),
            self._history(None),
            self._place(area["bbox"], is_point=area["point"] is not None),
        )

    def decision(self, decision: Mapping[str, Any]) -> tuple[str, str]:
        """When and what a person decided."""
        _, names, payload = self._, self._names, decision["payload"]
        parts = [decision["person"], names.action(decision["action"])]
        if "damage" in payload:
            parts.append(self._area(payload["damage"]))
        if "type" in payload:
            parts.append(names.damage_type(payload["type"]))
        if "severity" in payload:
            parts.append(names.severity(payload["severity"]))
        if place := marked_place(payload):
            parts.append(self._place(place.bbox, is_point=place.point is not None))
        if "text" in payload:
            parts.append(payload["text"])
        if decision["counts"]:
            parts.append(_("counts"))
        elif decision["undone_at"]:
            undone_at = self._moment(decision["undone_at"])
            parts.append(_("undone %(moment)s") % {"moment": undone_at})
        return self._moment(decision["made_at"]), "; ".join(parts)

    def earlier(self, earlier: Mapping[str, Any]) -> tuple[str, str]:
        """When an earlier photo was examined, and what was found."""
        _ = self._
        found = ", ".join(
            _("%(type)s (%(severity)s)")
            % {
                "type": self._names.damage_type(each["type"]),
                "severity": self._names.severity(each["severity"]),
            }
            for each in earlier["damages"]
        )
        parts = (
            f"{self._names.verdict(earlier['final_verdict'])}, {self._by(earlier['reviewed_by'])}",
            _("found: %(damages)s") % {"damages": found or _("nothing")},
            _("inspection %(id)s") % {"id": earlier["id"]},
            f"SHA-256 {earlier['photo']['sha256']}",
        )
        return self._moment(earlier["finished_at"]), "; ".join(parts)

    def _counting(self, verdict: Mapping[str, Any]) -> str:
        person = verdict["person"]
        by = self._by(person) if person else self._("by the networks; no person has decided")
        parts = self._names.verdict(verdict["verdict"]), by, self._moment(verdict["made_at"])
        return ", ".join(parts)

    def _area(self, number: int) -> str:
        return self._("area %(number)s") % {"number": number}

    def _place(self, bbox: Sequence[int], *, is_point: bool = False) -> str:
        x, y, width, height = bbox
        if is_point:
            return self._("at x %(x)s, y %(y)s") % {"x": x, "y": y}
        place = {"x": x, "y": y, "width": width, "height": height}
        return self._("at x %(x)s, y %(y)s; %(width)s x %(height)s pixels") % place

    def _by(self, person: str | None) -> str:
        _ = self._
        return _("by %(name)s") % {"name": person} if person else _("by the networks")

    def _of_networks(self, photo: Mapping[str, Any]) -> str:
        verdict, score = self._names.verdict(photo["verdict"]), photo["damage_score"]
        if score is None:
            return verdict
        values = {
            "verdict": verdict,
            "score": self._language.percent(score),
            "network": self._names.network(photo["decided_by"]),
        }
        return self._("%(verdict)s, score %(score)s, network: %(network)s") % values

    def _history(self, history: Mapping[str, Any] | None) -> str:
        if history is None:
            return self._("not compared with earlier photos")
        text = f"{self._names.novelty(history['novelty'])}: {self._names.why(history['reason'])}"
        earlier = history["earlier"]
        if earlier is None:
            return text
        taken = self._("Photo of %(moment)s") % {"moment": self._moment(earlier["finished_at"])}
        return f"{text} {taken} ({earlier['inspection_id']})"

    def _moment(self, moment: str | None) -> str:
        return self._language.exact_moment(datetime.fromisoformat(moment)) if moment else ""
