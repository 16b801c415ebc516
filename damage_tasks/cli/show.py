"""``damage-tasks show``: one inspection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from damage_tasks.cli.dead_letters import find_dead_letter
from damage_tasks.cli.identifiers import id_or_none, is_digest
from damage_tasks.cli.results_table import VERDICT_COLOURS
from damage_tasks.errors import ExtraMissing, InspectionNotFound, QueueUnavailable, SettingsError
from damage_tasks.inspection import missing_picture
from damage_tasks.inspection_lookup import with_links
from damage_tasks.languages.english_plurals import counted
from damage_tasks.telemetry import escape_controls, one_line, redacted

if TYPE_CHECKING:
    from damage_tasks.contract import CaseResult, InspectionResult, ProgressResult


def run(
    id: Annotated[
        str | None,
        typer.Argument(help="Inspection id (= task id, = SQS MessageId).", callback=id_or_none),
    ] = None,
    case: Annotated[
        str | None,
        typer.Option("--case", help="Show the summary of this case instead.", callback=id_or_none),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the whole result as JSON.")
    ] = False,
    links: Annotated[
        bool, typer.Option("--links", help="Print links to the pictures that a browser can open.")
    ] = False,
    history: Annotated[
        bool,
        typer.Option(
            "--history", help="Compare the damage with earlier photos of the car: is it new?"
        ),
    ] = False,
) -> None:
    """Show everything stored about one photo, or its progress while it has no verdict.

    Example: damage-tasks show 0c1e6c9a-... --json

    With --case, show what is known about all photos of a case.
    """
    if (id is None) == (case is None):
        raise typer.BadParameter("give an inspection id, or --case and the id of a case")
    result = _inspection(id, links) if id is not None else _case(case or "")
    if history:
        if id is None or "verdict" not in result or result["state"] != "done":
            raise typer.BadParameter("--history needs the id of an inspection that has a verdict")
        result = {**result, "history": _history(id)}
    if as_json:
        text = json.dumps(result, indent=1, ensure_ascii=False)
        print(escape_controls(text, keep="\n"))
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    if case is not None:
        rows = _case_rows(result)
    else:
        rows = _rows(result) if "verdict" in result else result.items()
    for name, text in rows:
        shown = escape(one_line(str(text)))
        colour = VERDICT_COLOURS.get(shown) if name == "verdict" else None
        table.add_row(escape(one_line(name)), f"[{colour}]{shown}[/]" if colour else shown)
    console = Console()
    if links:
        # A link that is wrapped cannot be opened.
        console.width = max(console.width, console.measure(table).maximum)
    console.print(table, highlight=False)


def _inspection(id: str, links: bool) -> Any:
    from damage_tasks import get_inspection

    result: Any = redacted(get_inspection(id)) or _dead_letter(id)
    if result is None:
        # A caller may have chosen such an id, so it is not refused.
        is_photo = is_digest(id.lower()) or "://" in id
        why = "find a photo with `find --photo`" if is_photo else "it may still be on the queue"
        raise InspectionNotFound(f"no inspection {id}; {why}")
    # After the redaction, which would remove the signatures.
    return with_links(result) if links and result["state"] == "done" else result


def _history(id: str) -> dict[str, Any]:
    """Which damage is new; compares photos that have not been compared yet."""
    from damage_tasks.results.celery_backend import open_inspections
    from damage_tasks.settings import get_settings

    try:
        from damage_tasks.car_history.history import CarHistory
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            f"--history needs {error.name}: pip install 'damage-tasks[review]'"
        ) from None
    store = open_inspections()
    inspection = store.find(id)
    if inspection is None:
        raise InspectionNotFound(f"no inspection {id}")
    return CarHistory(store, get_settings()).compare(inspection).to_dict()


def _case(case_id: str) -> Any:
    from damage_tasks import get_case

    result = redacted(get_case(case_id))
    if result is None:
        raise InspectionNotFound(f"no photo of case {case_id} has a verdict yet")
    return result


def _case_rows(result: CaseResult) -> Iterator[tuple[str, Any]]:
    photos = result["photos"]
    yield "case", result["case_id"]
    yield (
        "complete",
        {True: "yes", False: "no", None: "unknown: no number was announced"}[result["complete"]],
    )
    of = f" of {photos['expected']}" if photos["expected"] else ""
    verdicts = (f"{photos[name]} {name}" for name in ("damaged", "clean", "rejected", "failed"))
    yield "photos", f"{photos['examined']}{of} examined; {', '.join(verdicts)}"
    if result["worst_severity"]:
        yield "worst", result["worst_severity"]
    yield from result["damages"].items()
    for photo in result["retake"]:
        yield "retake", f"{photo['id']}: {photo['reason']}"
    yield "inspections", ", ".join(result["inspections"])
    yield "finished", result["finished_at"]


def _dead_letter(id: str) -> dict[str, Any] | None:
    """The dead letter of a photo without a verdict, for example a revoked one."""
    with suppress(QueueUnavailable, SettingsError):
        letter = find_dead_letter(id)
        if letter is not None:
            return {
                **letter,
                "state": "dead letter without a verdict: revoked, or its messages were lost",
                "to examine it": f"damage-tasks dead-letters replay --id {id}",
            }
    return None


def _rows(result: InspectionResult | ProgressResult) -> Iterator[tuple[str, Any]]:
    return _inspection_rows(result) if result["state"] == "done" else _progress_rows(result)


def _progress_rows(result: ProgressResult) -> Iterator[tuple[str, Any]]:
    yield "state", result["state"]
    if result["worker"]:
        yield "worker", result["worker"]
    if result["since"]:
        yield "since", result["since"]
    if reason := result["reason"]:
        yield "reason", f"{reason['code']}: {reason['text']}"
    if result["next_attempt_at"]:
        yield "next attempt", f"about {result['next_attempt_at']}"
    yield "attempts", result["attempts"]
    yield "updated", result["updated_at"]


def _inspection_rows(result: InspectionResult) -> Iterator[tuple[str, Any]]:
    verdict, bundle, quality = result["verdict"], result["bundle"], result["quality"]
    yield "photo", result["photo"]["url"]
    yield "verdict", verdict
    if reason := result["reason"]:
        yield "reason", f"{reason['code']}: {reason['text']}"
    if result["damage_score"] is not None:
        yield "score", f"{result['damage_score']:.3f}, decided by {result['decided_by']}"
    for damage in result["damages"]:
        yield (
            damage["type"],
            f"{damage['severity']}, {damage['area_ratio']:.2%} of the photo, "
            f"confidence {damage['confidence']:.2f}",
        )
    if quality:
        yield "quality", ", ".join([quality["verdict"], *quality["reasons"]])
    if result["damage_score"] is not None:
        yield "overlay", result["overlay_url"] or missing_picture(verdict)
        yield "mask", result["mask_url"] or missing_picture(verdict)
    if bundle:
        yield "bundle", f"{bundle['name']} {bundle['version']} ({bundle['digest'][:12]})"
    yield "ms", ", ".join(f"{name} {ms:.0f}" for name, ms in result["timings_ms"].items())
    yield "attempts", str(result["attempts"])
    yield from _decision_rows(result)
    if result["metadata"]:
        yield "metadata", json.dumps(result["metadata"], ensure_ascii=False)
    yield "finished", str(result["finished_at"])
    yield from _history_rows(result)


def _decision_rows(result: InspectionResult) -> Iterator[tuple[str, Any]]:
    if not result["decisions"]:
        return
    for decision in result["decisions"]:
        payload = f" {json.dumps(decision['payload'])}" if decision["payload"] else ""
        yield (
            "decision",
            f"{decision['made_at']} {decision['person']}: {decision['action']}{payload}",
        )
    people = f", decided by {result['reviewed_by']}" if result["reviewed_by"] else ""
    yield "final verdict", f"{result['final_verdict'] or 'none'}{people}"
    yield "billable", "yes" if result["billable"] else "no"


def _history_rows(result: Any) -> Iterator[tuple[str, Any]]:
    history = result.get("history")
    if history is None:
        return
    earlier_photos = counted(history["earlier_photos"], "earlier photo")
    yield "compared", f"{history['compared']} of {earlier_photos}"
    for each in history["damages"]:
        earlier = each["earlier"]
        of = f", {earlier['inspection_id']} of {earlier['finished_at']}" if earlier else ""
        novelty = each["novelty"].replace("_", " ")
        yield f"damage {each['number']}", f"{novelty} ({each['reason']}{of})"
