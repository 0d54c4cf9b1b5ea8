"""One row of every kind, as a project has them that went once round the circle."""

import uuid
from types import SimpleNamespace

import pytest
from django.test import Client
from django.utils import timezone

from curation.models import (
    Answer,
    ApiKey,
    Attention,
    AttentionRule,
    BulkChange,
    BulkRow,
    Coverage,
    DatasetVersion,
    Disagreement,
    Draft,
    Example,
    Exchange,
    Family,
    Feedback,
    LoggedCall,
    Membership,
    ModelAlias,
    Moderation,
    MustPass,
    Pair,
    Project,
    PromptVariant,
    Provider,
    Review,
    ReviewOrder,
    ReviewSlot,
    RowRegion,
    SavedView,
    SearchText,
    Tag,
    Takeover,
    TypedPrice,
    User,
    VersionFinding,
    Waiver,
)
from jobs.models import (
    Approval,
    DraftedInput,
    Escrow,
    EscrowAnswer,
    EvaluationCandidate,
    EvaluationResult,
    EvaluationRun,
    Export,
    FileRemoval,
    FineTune,
    FineTuneCheckpoint,
    FineTuneEvent,
    FineTuneMetric,
    GateCheck,
    GatePolicy,
    GateResult,
    Generation,
    GenerationItem,
    Grader,
    Import,
    ImportRemark,
    InputDraft,
    Judgement,
    ModelVersion,
    ModerationRun,
    Notice,
    NoticeDelivery,
    NoticePolicy,
    PaybackForecast,
    Promotion,
    PromotionRequest,
    Quote,
    Repair,
    RepairPolicy,
    Retirement,
    RetrainingCheck,
    RetrainingPolicy,
    RetrainingRun,
    Shadow,
    ShadowAnswer,
    Taint,
    Watch,
    WebhookDelivery,
    WebhookEndpoint,
    Withdrawal,
)

PROMPT = "Where is gate 4 & <b>its</b> lift?"


@pytest.fixture
def administrator(db: None) -> User:
    return User.objects.create_superuser("admin")  # logged in without a password: hashing one takes longer than a page


@pytest.fixture
def page(administrator: User, browser_of) -> Client:
    return browser_of(administrator)


@pytest.fixture
def rows(project: Project, administrator: User) -> SimpleNamespace:
    now, provider = timezone.now(), Provider.objects.get(project=project)
    made = SimpleNamespace(project=project, provider=provider, alias=ModelAlias.objects.get(project=project))
    made.member = Membership.objects.create(project=project, user=User.objects.create_user("ana"))
    made.key, _secret = ApiKey.issue(project, "shop", administrator)
    made.exchange = Exchange.objects.create(
        project=project, user_prompt=PROMPT, messages=[{"role": "user", "content": PROMPT}], response="Upstairs.",
        split="train", first_seen_at=now, last_seen_at=now,
    )  # fmt: skip
    made.answer = Answer.objects.create(
        exchange=made.exchange, digest="0" * 64, text="Upstairs.", first_seen_at=now, last_seen_at=now
    )
    made.call = LoggedCall.objects.create(
        id=uuid.uuid4(), project=project, exchange=made.exchange, source="gateway", outcome="completed",
        endpoint="/v1/chat/completions", request_body='{"a": 1}', response_body="{}", answer="Upstairs.",
        started_at=now,
    )  # fmt: skip
    made.feedback = Feedback.objects.create(
        id=uuid.uuid4(), project=project, call_id=made.call.pk, comment="Wrong.", said_at=now
    )
    made.slot = ReviewSlot.objects.create(
        project=project, exchange=made.exchange, reviewer=administrator, claim_token=uuid.uuid4(), claimed_until=now
    )
    Draft.objects.create(exchange=made.exchange, reviewer=administrator, text="Down.", exchange_version=1)
    Takeover.objects.create(slot=made.slot, taken_by=administrator, taken_from=made.member.user)
    Tag.objects.create(project=project, name="hours").exchanges.add(made.exchange)
    MustPass.objects.create(exchange=made.exchange, project=project, marked_by=administrator)
    Attention.objects.create(project=project)
    Disagreement.objects.create(exchange=made.exchange, model="ft:1", answer="Down.")
    Coverage.objects.create(project=project)
    RowRegion.objects.create(project=project, exchange=made.exchange, region=1)
    words = SearchText(project=project, exchange=made.exchange, prompt=PROMPT, answer="Upstairs.")
    SearchText.objects.bulk_create([words], ignore_conflicts=True)  # where a recorder was faster
    second = Exchange.objects.create(
        project=project, user_prompt="And where do I park?", messages=[], response="Downstairs.", split="train",
        first_seen_at=now, last_seen_at=now,
    )  # fmt: skip
    Pair.objects.create(project=project, first=made.exchange, second=second, first_version=1, second_version=1)
    AttentionRule.objects.create(project=project, words="gate")
    ReviewOrder.objects.create(project=project, user=administrator)
    SavedView.objects.create(project=project, user=administrator, name="Gates")
    bulk = BulkChange.objects.create(project=project, user=administrator, verb="included")
    BulkRow.objects.create(bulk=bulk, exchange=made.exchange, version=1)
    made.review = Review.objects.create(
        project=project, exchange=made.exchange, source="a corpus", verb="included", state_before="pending",
        state_after="included", origin_before="captured", origin_after="captured", version_after=2,
    )  # fmt: skip
    made.version = DatasetVersion.objects.create(
        project=project, number=1, content_hash="0" * 64, train_count=1, test_count=0
    )
    made.example = Example.objects.create(
        version=made.version, exchange=made.exchange, split="train", position=1, body="{}", content_hash="0" * 64
    )
    made.export = Export.objects.create(version=made.version, split="train")
    made.finetune = FineTune.objects.create(
        project=project, version=made.version, provider=provider, base_model="baseline"
    )
    Quote.objects.create(finetune=made.finetune, token_count=1, passes=3)
    Approval.objects.create(finetune=made.finetune, requested_by=administrator)
    made.event = FineTuneEvent.objects.create(finetune=made.finetune, event_id="own-1", message="Begun.")
    FineTuneMetric.objects.create(finetune=made.finetune, step=1, train_loss=1.5)
    FineTuneCheckpoint.objects.create(finetune=made.finetune, checkpoint_id="1", step=1, model="ft:1:ckpt-step-1")
    endpoint = WebhookEndpoint(provider=provider)
    endpoint.seal_secret("whsec_c2VjcmV0")
    endpoint.save()
    WebhookDelivery.objects.create(endpoint=endpoint, webhook_id="wh_1", body_sha256="0" * 64, outcome="ignored")
    made.model_version = ModelVersion.objects.create(
        project=project, provider=provider, name="ft:1", base_model="baseline", finetune=made.finetune,
        version=made.version,
    )  # fmt: skip
    made.evaluation = EvaluationRun.objects.create(
        project=project, version=made.version, model_version=made.model_version
    )
    made.candidate = EvaluationCandidate.objects.create(
        run=made.evaluation, role="tuned", provider=provider, model="ft:1"
    )
    made.result = EvaluationResult.objects.create(candidate=made.candidate, example=made.example, answer="Upstairs.")
    Grader.objects.create(project=project, name="Same text", definition={"type": "string_check"})
    Judgement.objects.create(project=project, provider=provider, model="judge", request_digest="0" * 64)
    GatePolicy.objects.create(project=project)
    made.gate = GateResult.objects.create(
        alias=made.alias, model_version=made.model_version, compared_provider=provider, compared_model="baseline",
        is_passed=True, words="Passed.",
    )  # fmt: skip
    GateCheck.objects.create(result=made.gate, code="gain", verdict="passed", words="Better.")
    PromotionRequest.objects.create(alias=made.alias, model_version=made.model_version, gate=made.gate)
    PaybackForecast.objects.create(project=project, inputs={}, saving_per_day=1, outlay=2)
    Retirement.objects.create(provider=made.provider, model="base", day=timezone.now().date())
    made.promotion = Promotion.objects.create(
        alias=made.alias, provider=provider, model="ft:1", model_version=made.model_version,
        previous_provider=provider, previous_model="baseline", promoted_by=administrator,
    )  # fmt: skip
    Escrow.objects.create(project=project, version=made.version, provider=provider, model="ft:1")
    EscrowAnswer.objects.create(provider=provider, model="ft:1", exchange=made.exchange, prompt_digest="0" * 64)
    NoticePolicy.objects.create(project=project)
    notice = Notice.objects.create(project=project, kind="promoted", key="move 1", words="Promoted.")
    NoticeDelivery.objects.create(notice=notice, channel="email", target="a@example.org")
    Watch.objects.create(promotion=made.promotion)
    shadow = Shadow.objects.create(alias=made.alias, model_version=made.model_version)
    ShadowAnswer.objects.create(shadow=shadow, call_id=made.call.pk, answer="Up.")
    made.policy = RetrainingPolicy.objects.create(project=project)
    RetrainingCheck.objects.create(policy=made.policy, words="Not today.", is_due=False, first_at=now, last_at=now)
    made.run = RetrainingRun.objects.create(policy=made.policy, trigger="person")
    made.generation = Generation.objects.create(
        project=project, name="Products", table_sha256="0" * 64, columns=["Name"], row_count=1, provider=provider,
        model="baseline",
    )  # fmt: skip
    made.item = GenerationItem.objects.create(
        generation=made.generation, position=1, row_number=1, variables={"Name": "A"}, prompt="Describe A."
    )
    TypedPrice.objects.create(provider=provider, model="baseline", train=1)
    made.family = Family.objects.create(project=project, split="train")
    made.waiver = Waiver.objects.create(
        project=project, exchange=made.exchange, exchange_version=1, code="secret", reason="A", waived_by=administrator
    )
    made.finding = VersionFinding.objects.create(
        version=made.version, exchange=made.exchange, code="secret", severity="note", words="A.", waiver=made.waiver
    )
    made.variant = PromptVariant.objects.create(
        project=project, digest="0" * 64, captured="Be long.", training_prompt="Be short."
    )
    made.draft = InputDraft.objects.create(project=project, provider=provider, model="baseline")
    made.input = DraftedInput.objects.create(draft=made.draft, text="Describe B.")
    Repair.objects.create(
        project=project, exchange=made.exchange, exchange_version=1, provider=provider, model="m", note="A", answer="B"
    )
    RepairPolicy.objects.create(project=project, provider=provider, model="m")
    made.upload = Import.objects.create(project=project, kind="lines", file_name="calls.jsonl")
    made.remark = ImportRemark.objects.create(upload=made.upload, line_number=1, is_refusal=True, reason="It is empty.")
    Moderation.objects.create(project=project, digest="0" * 64, model="m", is_flagged=True, categories=["hate"])
    ModerationRun.objects.create(project=project, provider=provider)
    withdrawal = Withdrawal.objects.create(project=project, reason="Asked to.", created_by=administrator)
    withdrawal.exchanges.add(made.exchange)
    FileRemoval.objects.create(withdrawal=withdrawal, provider=provider, file_id="file-1")
    Taint.objects.create(withdrawal=withdrawal, model_version=made.model_version, row_count=1)
    return made
