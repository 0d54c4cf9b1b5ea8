from .access import ApiKey, Membership, Project, User
from .attention import Attention, AttentionRule, Disagreement, ReviewOrder
from .bulk import BulkChange, BulkRow
from .calls import Feedback, LoggedCall
from .coverage import Coverage, RowRegion
from .datasets import DatasetVersion, Example
from .drafts import Draft, Takeover
from .exchanges import Answer, Exchange
from .families import Family, FamilyKey
from .moderation import Moderation
from .must_pass import MustPass
from .pairs import Pair
from .preflight import VersionFinding, Waiver
from .prices import TypedPrice
from .prompts import PromptVariant
from .review import Review, ReviewSlot
from .routing import ModelAlias, Provider, SealedKeyUnreadable
from .rows import SavedView
from .searching import SearchDue, SearchText
from .tags import Tag

__all__ = [
    "Answer",
    "ApiKey",
    "Attention",
    "AttentionRule",
    "BulkChange",
    "BulkRow",
    "Coverage",
    "DatasetVersion",
    "Disagreement",
    "Draft",
    "Example",
    "Exchange",
    "Family",
    "FamilyKey",
    "Feedback",
    "LoggedCall",
    "Membership",
    "ModelAlias",
    "Moderation",
    "MustPass",
    "Pair",
    "Project",
    "PromptVariant",
    "Provider",
    "Review",
    "ReviewOrder",
    "ReviewSlot",
    "RowRegion",
    "SavedView",
    "SealedKeyUnreadable",
    "SearchDue",
    "SearchText",
    "Tag",
    "Takeover",
    "TypedPrice",
    "User",
    "VersionFinding",
    "Waiver",
]
