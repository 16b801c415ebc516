"""Writes the generated files in helm/: the schema, the table of values, and copied files.

`make chart` runs it; tests check that the files are up to date.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from damage_tasks.settings import PREFIX, Settings
from tools.chart.value_limits import FREE, LIMITS

ROOT = Path(__file__).parent.parent.parent
CHART = ROOT / "helm"

# A chart cannot read files outside its folder, so these are copied.
COPIES = {
    "files/rules.yml": ROOT / "deploy/monitoring/prometheus/rules.yml",
    "files/dashboard.json": ROOT / "deploy/monitoring/grafana/damage-tasks.json",
}

# Values of earlier versions; templates refuse them and name the new ones.
RENAMED: dict[str, str] = yaml.safe_load((CHART / "files/renamed.yaml").read_text())

# These come from the Secret, never from the ConfigMap.
SECRETS = {
    "DAMAGE_DATABASE_URL",
    "DAMAGE_EVENT_BUS_URL",
    "DAMAGE_SENTRY_DSN",
    "DAMAGE_SLACK_WEBHOOK_URL",
    "DAMAGE_CLOUDFRONT_PRIVATE_KEY",
    "DAMAGE_EVIDENCE_KEY",
    "DAMAGE_WEBHOOK_SECRETS",
}
# Fixed by the image and by the chart's mounts.
FIXED = {"DAMAGE_BUNDLE_CACHE", "DAMAGE_HEARTBEAT_FILE"}

_KEY = re.compile(r"^(?P<indent> *)(?P<key>[\w./-]+):(?: |$)")


@dataclass(frozen=True)
class Value:
    """One value of values.yaml: its path, its default and its comment."""

    path: tuple[str, ...]
    default: Any
    text: str

    @property
    def name(self) -> str:
        """The path in the syntax of `--set`."""
        return ".".join(self.path)

    @property
    def is_leaf(self) -> bool:
        """Whether nothing below it has its own documentation."""
        return not isinstance(self.default, dict) or not self.default or self.name in FREE


def read_values() -> list[Value]:
    """All values with their comments, in the order of the file."""
    text = (CHART / "values.yaml").read_text()
    defaults = yaml.safe_load(text)
    values: list[Value] = []
    path: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            comment.append(line.lstrip("# "))
            continue
        match = _KEY.match(line)
        if match:
            indent = len(match["indent"])
            path = [step for step in path if step[0] < indent] + [(indent, match["key"])]
            keys = tuple(key for _, key in path)
            values.append(Value(keys, _at(defaults, keys), " ".join(comment)))
        comment = []
    return values


def _at(tree: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def schema() -> str:
    """values.schema.json: types from the defaults, limits from value_limits.py; no other keys."""
    texts = {value.path: value.text for value in read_values()}
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    root = _object(defaults, (), texts)
    root = {"$schema": "http://json-schema.org/draft-07/schema#", **root}
    # Charts that include this one as a subchart may set these.
    root["properties"]["global"] = {"type": "object"}
    root["properties"]["enabled"] = {"type": "boolean"}
    return json.dumps(root, indent=1) + "\n"


def _object(tree: dict[str, Any], path: tuple[str, ...], texts: dict[Any, str]) -> dict[str, Any]:
    properties = {}
    for key, value in tree.items():
        here = (*path, key)
        name = ".".join(here)
        if name == "settings":
            node = _settings()
        elif name in LIMITS:
            node = LIMITS[name]
        elif isinstance(value, dict) and name not in FREE:
            node = _object(value, here, texts)
        else:
            node = _plain(value)
        if name in RENAMED:
            node = {**node, "type": ["object", "string"]}
        text = texts.get(here)
        properties[key] = {"description": text, **node} if text else dict(node)
    for old, new in RENAMED.items():
        *above, key = old.split(".")
        if tuple(above) == path and key not in properties:
            properties[key] = {"description": f"Renamed to {new}, and refused."}
    # `null` removes a value; values that templates compute with must stay.
    needed = [
        key
        for key, value in tree.items()
        if value != "" and not isinstance(value, list) and ".".join((*path, key)) not in FREE
    ]
    return {
        "type": "object",
        "additionalProperties": False,
        "required": needed,
        "properties": properties,
    }


def _plain(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int):
        return {"type": "integer", "minimum": 0}
    if isinstance(value, list):
        return {"type": "array", "items": {"type": "object"}}
    if isinstance(value, dict):
        return {"type": "object"}
    return {"type": "string"}


def _settings() -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for field, node in Settings.model_json_schema()["properties"].items():
        name = PREFIX + field.upper()
        if name in SECRETS | FIXED:
            # Templates refuse it, with a message that says why.
            properties[name] = {}
            continue
        types = [n for n in node.get("anyOf", [node]) if n.get("type") != "null"]
        limits = _limits(types[0])
        if len(types) > 1:  # a number, or a word such as `auto`
            limits = {"anyOf": [limits, *({"const": one["const"]} for one in types[1:])]}
        properties[name] = {"description": node["description"], **limits}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _limits(node: dict[str, Any]) -> dict[str, Any]:
    kept = {
        key: value
        for key, value in node.items()
        if key in ("type", "items", "minimum", "maximum", "exclusiveMinimum", "pattern", "enum")
    }
    # A list may be written as text; null resets a value from another file.
    others = ["string"] if kept["type"] == "array" else []
    kept["type"] = [kept["type"], *others, "null"]
    if "enum" in kept:
        kept["enum"] = [*kept["enum"], None]
    return kept


def readme() -> str:
    """README.md with an updated table of values."""
    text = (CHART / "README.md").read_text()
    begin, end = "<!-- values -->\n", "<!-- end of values -->"
    before, after = text.split(begin)[0], text.split(end)[1]
    return before + begin + _tables() + end + after


def _tables() -> str:
    tables = ""
    section = None
    for value in read_values():
        if any(".".join(value.path[:length]) in FREE for length in range(1, len(value.path))):
            continue
        if not value.is_leaf:
            continue
        if value.path[0] != section:
            section = value.path[0]
            tables += f"\n### {section}\n\n| value | default | meaning |\n| --- | --- | --- |\n"
        default = json.dumps(value.default)
        default = f"`{default}`" if len(default) <= 60 else "see values.yaml"
        tables += f"| `{value.name}` | {default} | {value.text} |\n"
    return tables + "\n"


def main() -> None:
    """Write all generated files."""
    (CHART / "values.schema.json").write_text(schema())
    (CHART / "README.md").write_text(readme())
    for name, source in COPIES.items():
        (CHART / name).write_text(source.read_text())


if __name__ == "__main__":
    main()
