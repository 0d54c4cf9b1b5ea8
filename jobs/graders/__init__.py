"""Whether an answer is right. Pure: what was expected and what came in, a judgement out."""

from .kinds import KINDS, Grade, fault_in_definition, grade, is_judge
from .plain import exact, fits, is_right, json_equal

__all__ = ["KINDS", "Grade", "exact", "fault_in_definition", "fits", "grade", "is_judge", "is_right", "json_equal"]
