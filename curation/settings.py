"""Every environment variable of the application is read here and explained in .env.example."""

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from curation.egress import Reach

BASE_DIR = Path(__file__).resolve().parent.parent


def _required(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise ImproperlyConfigured(f"{name} is not set. Start through ./run (it sets everything), or see .env.example.")
    return value


def _words(name: str, default: str = "") -> list[str]:
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def _reach() -> Reach:
    try:
        return Reach.of(_words("CURATION_PRIVATE_PROVIDERS"))
    except ValueError as error:
        raise ImproperlyConfigured(f"CURATION_PRIVATE_PROVIDERS: {error}.") from error


def _celery_url(redis_url: str) -> str:
    """redis-py writes a socket as unix:///path?db=0, Celery as redis+socket:///path?virtual_host=0."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    database = parts.query.removeprefix("db=") or "0"
    return f"redis+socket://{parts.path}?virtual_host={database}"


def _broker_options(url: str) -> dict[str, Any]:
    """For brokers of Redis's protocol; RabbitMQ gives back by itself what a dead worker held."""
    if not url.startswith(("redis", "sentinel")):
        return {}
    options: dict[str, Any] = {
        "visibility_timeout": 3600,
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
        "socket_timeout": 30,
        "socket_connect_timeout": 2,
    }
    if url.startswith("sentinel"):
        options["master_name"] = _required("CURATION_SENTINEL_MASTER")
    return options


# Where this installation keeps its files: spool, exports, logs, the trainer's models.
HOME = Path(os.environ.get("CURATION_HOME") or BASE_DIR / "var").absolute()
SPOOL_DIR = HOME / "spool"
# Every call is in the spool before it is answered; the disk itself is synced this much later at most, which is what a
# power failure may take. 0: each answer waits for the disk.
SPOOL_SYNC_SECONDS = float(os.environ.get("CURATION_SPOOL_SYNC_MS") or 20) / 1000
# What may wait for a database that is away; beyond it the gateway refuses calls.
SPOOL_LIMIT_BYTES = int(os.environ.get("CURATION_SPOOL_LIMIT_MB") or 4096) << 20
# The longest request body, and the longest a provider may take with an answer.
GATEWAY_BODY_BYTES = int(os.environ.get("CURATION_GATEWAY_BODY_MB") or 32) << 20
GATEWAY_DEADLINE_SECONDS = float(os.environ.get("CURATION_GATEWAY_DEADLINE_SECONDS") or 600)

SECRET_KEY = _required("CURATION_SECRET_KEY")
# A Fernet key; seals providers' keys in the database. Losing it means entering those keys again.
SEALING_KEY = _required("CURATION_SEALING_KEY")
# The first administrator's password; generated and printed once when not given.
ADMIN_PASSWORD = os.environ.get("CURATION_ADMIN_PASSWORD", "")
DEBUG = os.environ.get("CURATION_DEBUG") == "1"
ALLOWED_HOSTS = _words("CURATION_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = _words("CURATION_TRUSTED_ORIGINS")

# The trainer that comes with the application. A provider of kind "local trainer" is reached here.
TRAINER_URL = os.environ.get("CURATION_TRAINER_URL", "http://127.0.0.1:8090/v1")
TRAINER_KEY = os.environ.get("CURATION_TRAINER_KEY", "")
# What providers and hooks may be: any public address, and the private networks named.
REACH = _reach()

# A training file larger than that goes to its provider in parts of this size (the protocol allows 64 MB a part).
UPLOAD_PART_BYTES = min(int(os.environ.get("CURATION_UPLOAD_PART_MB") or 64), 64) << 20

INSTALLED_APPS = [
    "curation.apps.CurationConfig",
    "jobs.apps.JobsConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_celery_beat",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "curation.middleware.content_security_policy",
]
ROOT_URLCONF = "curation.urls"
ASGI_APPLICATION = "curation.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

DATABASES = {
    "default": dj_database_url.parse(_required("DATABASE_URL"), conn_max_age=600, conn_health_checks=True),
}
DATABASES["default"].setdefault("OPTIONS", {})["options"] = (
    "-c statement_timeout=60000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=60000"
)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "curation.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
# Behind TLS set CURATION_SECURE=1; plain http://127.0.0.1 could not log in otherwise.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = os.environ.get("CURATION_SECURE") == "1"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SESSION_COOKIE_SECURE else None
X_FRAME_OPTIONS = "DENY"

# Notices: where a mail is handed over, who it is from, and the address of the pages for the links in it.
# smtp://user:password@host:587 (smtp+tls:// says STARTTLS, smtps:// is TLS from the start).
_SMTP = urlsplit(os.environ.get("CURATION_SMTP_URL", ""))
EMAIL_HOST = _SMTP.hostname or ""
EMAIL_PORT = _SMTP.port or (465 if _SMTP.scheme == "smtps" else 587 if _SMTP.scheme == "smtp+tls" else 25)
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_SMTP.username or ""), unquote(_SMTP.password or "")
EMAIL_USE_TLS, EMAIL_USE_SSL = _SMTP.scheme == "smtp+tls", _SMTP.scheme == "smtps"
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = os.environ.get("CURATION_MAIL_FROM") or "curation@localhost"
PUBLIC_URL = os.environ.get("CURATION_PUBLIC_URL", "").rstrip("/")

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Served from the source folders; nothing has to be collected before a start.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
MEDIA_ROOT = HOME / "media"
# Exports lie in MEDIA_ROOT, or in a bucket of any store that speaks S3 (needs the packages of requirements-s3.txt).
S3_BUCKET = os.environ.get("CURATION_BUCKET", "")
_S3_STORAGE = {
    "BACKEND": "storages.backends.s3.S3Storage",
    "OPTIONS": {
        "bucket_name": S3_BUCKET,
        "endpoint_url": os.environ.get("CURATION_BUCKET_ENDPOINT") or None,
        "region_name": os.environ.get("CURATION_BUCKET_REGION") or None,
        "access_key": os.environ.get("CURATION_BUCKET_ACCESS_KEY") or None,
        "secret_key": os.environ.get("CURATION_BUCKET_SECRET_KEY") or None,
        "location": os.environ.get("CURATION_BUCKET_PREFIX", ""),
        "default_acl": None,
        "file_overwrite": True,
    },
}
STORAGES = {
    "default": _S3_STORAGE if S3_BUCKET else {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# Edited answers and pasted prompts may be long; the gateway has its own limit.
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024
# Pages that take files, and how long a request to them may be; to all others as long as the line above says.
UPLOADS = [
    (re.compile(r"/projects/[\w-]+/imports/new/"), (1 << 30) + (1 << 20)),
    (re.compile(r"/projects/[\w-]+/generations/new/"), 21 << 20),
]

CELERY_BROKER_URL = os.environ.get("CURATION_BROKER_URL") or _celery_url(_required("REDIS_URL"))
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# The rows in Postgres hold every outcome; a result backend would only slow publishing down.
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_TIME_LIMIT = 1500
CELERY_TASK_SOFT_TIME_LIMIT = 1440
CELERY_WORKER_MAX_TASKS_PER_CHILD = 500
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = _broker_options(CELERY_BROKER_URL)
# beat copies these into its database table at start; an operator may change the pace in the admin.
CELERY_BEAT_SCHEDULE = {
    "sweep due jobs": {"task": "jobs.tasks.sweep", "schedule": 2.0, "options": {"expires": 10}},
    "weigh rows": {"task": "jobs.tasks.weigh_rows", "schedule": 15.0, "options": {"expires": 15}},
    "count coverage": {"task": "jobs.tasks.count_coverage", "schedule": 60.0, "options": {"expires": 60}},
    "gather notices": {"task": "jobs.tasks.gather_notices", "schedule": 30.0, "options": {"expires": 30}},
    "look at retirements": {
        "task": "jobs.tasks.look_at_retirements",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "check retraining policies": {"task": "jobs.tasks.check_policies", "schedule": 60.0, "options": {"expires": 60}},
}
CELERY_BEAT_MAX_LOOP_INTERVAL = 2
CELERY_TIMEZONE = "UTC"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {"curation": {"level": "INFO"}, "jobs": {"level": "INFO"}},
}
