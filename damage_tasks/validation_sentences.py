"""What is wrong with a value, in a sentence that says what it must be instead of pydantic's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

# By pydantic's type of error; the names in braces are those of its context.
_SENTENCES: Mapping[str, str] = {
    "missing": "is missing",
    "extra_forbidden": "does not belong here: leave it out",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must have fewer digits",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": "must be a text",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "enum": "must be one of {expected}",
    "literal_error": "must be one of {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "needs at least {min_length} entries, not {actual_length}",
    "too_long": "must have at most {max_length} entries, not {actual_length}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
}
_OTHERWISE = "has a value that cannot be used"


def sentence_of(error: ErrorDetails) -> str:
    """What the value must be; begins in lower case, after the name of the value and a colon."""
    context: Mapping[str, Any] = error.get("ctx", {})
    if error["type"] == "value_error":  # from our own validators
        return str(context["error"])
    return _SENTENCES.get(error["type"], _OTHERWISE).format_map(context)
