from .base import Job
from .escrow import Escrow, EscrowAnswer
from .evaluations import EvaluationCandidate, EvaluationResult, EvaluationRun
from .exports import Export
from .finetunes import FineTune, FineTuneCheckpoint, FineTuneEvent, FineTuneMetric
from .gate import GateCheck, GatePolicy, GateResult, PromotionRequest
from .generations import DraftedInput, Generation, GenerationItem, InputDraft
from .graders import Grader, Judgement
from .imports import Import, ImportRemark
from .moderation import ModerationRun
from .notices import Notice, NoticeDelivery, NoticePolicy
from .payback import PaybackForecast
from .registry import ModelVersion, Promotion
from .repairs import Repair, RepairPolicy
from .retirements import Retirement
from .retraining import RetrainingCheck, RetrainingPolicy, RetrainingRun
from .rollouts import Shadow, ShadowAnswer, Watch
from .spending import Approval, Quote
from .webhooks import WebhookDelivery, WebhookEndpoint
from .withdrawals import FileRemoval, Taint, Withdrawal

__all__ = [
    "Approval",
    "DraftedInput",
    "Escrow",
    "EscrowAnswer",
    "EvaluationCandidate",
    "EvaluationResult",
    "EvaluationRun",
    "Export",
    "FileRemoval",
    "FineTune",
    "FineTuneCheckpoint",
    "FineTuneEvent",
    "FineTuneMetric",
    "GateCheck",
    "GatePolicy",
    "GateResult",
    "Generation",
    "GenerationItem",
    "Grader",
    "Import",
    "ImportRemark",
    "InputDraft",
    "Job",
    "Judgement",
    "ModelVersion",
    "ModerationRun",
    "Notice",
    "NoticeDelivery",
    "NoticePolicy",
    "PaybackForecast",
    "Promotion",
    "PromotionRequest",
    "Quote",
    "Repair",
    "RepairPolicy",
    "Retirement",
    "RetrainingCheck",
    "RetrainingPolicy",
    "RetrainingRun",
    "Shadow",
    "ShadowAnswer",
    "Taint",
    "Watch",
    "WebhookDelivery",
    "WebhookEndpoint",
    "Withdrawal",
]
