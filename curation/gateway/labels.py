"""What a caller may say about a call: an id of its own, and tags. Pure."""

from typing import Any

from curation.chat import clean

_LONGEST_ID = 200
_LONGEST_TAG = 50
_MOST_TAGS = 20


def labels(own_id: Any, tags: Any, metadata: Any) -> dict[str, Any]:
    """`own_id` and `tags` (a list, or a text with commas) as facts of a call. What is not given there is taken from the
    request's metadata, `curation_id` and `curation_tags`. What is neither text nor list counts as not given.
    """
    given = metadata if isinstance(metadata, dict) else {}
    return {"own_id": _id(own_id or given.get("curation_id")), "tags": _tags(tags or given.get("curation_tags"))}


def _id(value: Any) -> str:
    return clean(value)[0].strip()[:_LONGEST_ID] if isinstance(value, str) else ""


def _tags(value: Any) -> list[str]:
    if not value:
        return []
    words = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    tags = (clean(word)[0].strip()[:_LONGEST_TAG] for word in words if isinstance(word, str))
    return list(dict.fromkeys(tag for tag in tags if tag))[:_MOST_TAGS]
