"""Django's settings of the service. What an operator may change comes from the environment (``docs/settings.md``)."""

from django.conf import global_settings
from django.core.exceptions import ImproperlyConfigured

from gradequeue import env
from gradequeue.monitoring import tracing

PRODUCTION = env.choice("GRADEQUEUE_ENV", "local", ("local", "production")) == "production"
DATA = env.data_folder()

SECRET_KEY = env.secret_key(DATA, production=PRODUCTION)
DEBUG = False
ALLOWED_HOSTS = env.hosts("GRADEQUEUE_ALLOWED_HOSTS", [] if PRODUCTION else ["localhost", "127.0.0.1", "[::1]"])
if not ALLOWED_HOSTS:
    raise ImproperlyConfigured(
        "GRADEQUEUE_ALLOWED_HOSTS must name the hosts served where GRADEQUEUE_ENV is production."
    )

INSTALLED_APPS = [
    "gradequeue",
    "gradequeue.dashboard",
    "submissions",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
]

MIDDLEWARE = [
    "gradequeue.http.request_ids.RequestIdMiddleware",
    *tracing.MIDDLEWARE,
    "gradequeue.http.headers.HeadersMiddleware",
    "gradequeue.http.graders_lane.GradersDoor",
    "gradequeue.monitoring.middleware.MonitoringMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "gradequeue.http.compression.CompressionMiddleware",
    "gradequeue.http.static.VersionMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "gradequeue.http.languages.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "gradequeue.accounts.sessions.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "gradequeue.http.errors.UnstorableMiddleware",
]
# The XQueue paths answer with and without a slash; a redirect would lose a POST's body.
APPEND_SLASH = True

ROOT_URLCONF = "gradequeue.urls"
WSGI_APPLICATION = "gradequeue.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {"default": env.database(DATA)}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
CACHES = {"default": env.cache()}
STORAGES = {
    "default": env.storage(DATA),
    "staticfiles": {"BACKEND": "gradequeue.http.static.VersionedStorage"},
}

# The document that is served is a file; a test holds it against the code.
SPECTACULAR_SETTINGS = {"ENABLE_DJANGO_DEPLOY_CHECK": False}

STATIC_URL = "/static/"
# Straight from the installed packages: nothing has to be collected first.
WHITENOISE_USE_FINDERS = True

PASSWORD_HASHERS = ["gradequeue.accounts.hashers.PasswordHasher", *global_settings.PASSWORD_HASHERS[1:]]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

SESSION_ENGINE = "gradequeue.accounts.sessions"
# Unused for so long, and in any case; both in seconds (gradequeue.accounts.session_lifetime).
SESSION_IDLE_SECONDS = env.number("GRADEQUEUE_SESSION_IDLE_SECONDS", 8 * 3600)
SESSION_COOKIE_AGE = env.number("GRADEQUEUE_SESSION_SECONDS", 14 * 24 * 3600)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "gradequeue.http.errors.csrf_failed"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = PRODUCTION
# How many proxies stand in front. What they say of the client is believed; what others say is not.
TRUSTED_PROXIES = env.number("GRADEQUEUE_TRUSTED_PROXIES", 0, at_least=0)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
if PRODUCTION:
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    # Pages for people only: graders of all ages take a redirect for a lost session, probes come by plain HTTP.
    SECURE_SSL_REDIRECT = TRUSTED_PROXIES > 0
    SECURE_REDIRECT_EXEMPT = [r"^(xqueue|api)(/|$)"]
    # Whether all of a domain's other hosts keep to HTTPS, this one cannot know.
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# Who may see numbers: whoever brings the token, or comes from one of the networks; else nobody.
METRICS_TOKEN = env.text("GRADEQUEUE_METRICS_TOKEN")
METRICS_NETWORKS = env.networks("GRADEQUEUE_METRICS_NETWORKS")
TARGET_WAIT_SECONDS = env.number("GRADEQUEUE_TARGET_WAIT_SECONDS", 60)
READY_OUTBOX_SECONDS = env.number("GRADEQUEUE_READY_OUTBOX_SECONDS", 0, at_least=0)

# For the document of the REST API; its views have all else themselves.
REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}

# What programs read stays in this one; people choose (docs/languages.md). Each in its own words, with what it is worth.
LANGUAGE_CODE = "en"
LANGUAGES = [
    ("en", "English"),
    ("es", "Español (sin revisar)"),
    ("fr", "Français (non relu)"),
    ("ar", "العربية (غير مراجعة)"),
]
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
USE_TZ = True
TIME_ZONE = "UTC"

SUBMISSIONS_BASE_URL = env.web_address("GRADEQUEUE_BASE_URL")
SUBMISSIONS_LOGIN_FREE_FAILURES = env.number("GRADEQUEUE_LOGIN_FREE_FAILURES", 5)
SUBMISSIONS_QUEUE_MAX_WAITING = env.number("GRADEQUEUE_QUEUE_MAX_WAITING", 0, at_least=0)
SUBMISSIONS_STUDENT_MAX_WAITING = env.number("GRADEQUEUE_STUDENT_MAX_WAITING", 0, at_least=0)
SUBMISSIONS_FILES_MAX_COUNT = env.number("GRADEQUEUE_FILES_MAX_COUNT", 100)
SUBMISSIONS_FILE_MAX_BYTES = env.number("GRADEQUEUE_FILE_MAX_BYTES", 50 * 1024 * 1024)
SUBMISSIONS_FILES_MAX_BYTES = env.number("GRADEQUEUE_FILES_MAX_BYTES", 100 * 1024 * 1024)
SUBMISSIONS_LEASE_SECONDS = env.number("GRADEQUEUE_LEASE_SECONDS", 300)
SUBMISSIONS_STRICT_QUEUES = env.choice("GRADEQUEUE_STRICT_QUEUES", "no", ("yes", "no")) == "yes"
SUBMISSIONS_PUSH_TIMEOUT_SECONDS = env.number("GRADEQUEUE_PUSH_TIMEOUT_SECONDS", 30)
SUBMISSIONS_TRANSPORTS = []
if EVENT_BUS_REDIS_CONNECTION_URL := env.event_bus():
    SUBMISSIONS_TRANSPORTS = ["event"]
    INSTALLED_APPS += ["openedx_events"]
    EVENT_BUS_PRODUCER = "submissions.deliveries.event.create_producer"
    EVENT_BUS_TOPIC_PREFIX = env.text("GRADEQUEUE_EVENT_BUS_PREFIX")
    EVENT_BUS_PRODUCER_CONFIG = {
        "org.openedx.learning.external_grader.score.submitted.v1": {
            env.text("GRADEQUEUE_EVENT_BUS_TOPIC", "learning-external-grader"): {
                "event_key_field": "score.submission_id",
                "enabled": True,
            }
        }
    }
# Where notifications go out by mail; None: nowhere.
SMTP = env.smtp()
MAIL_FROM = env.text("GRADEQUEUE_MAIL_FROM", "gradequeue@localhost")
SUBMISSIONS_ACTIVITY_DAYS = env.number("GRADEQUEUE_ACTIVITY_DAYS", 365)
SUBMISSIONS_NOTIFY_FAILURES = env.choice("GRADEQUEUE_NOTIFY_FAILURES", "yes", ("yes", "no")) == "yes"
SUBMISSIONS_FAILURE_NOTICE_SECONDS = env.number("GRADEQUEUE_FAILURE_NOTICE_SECONDS", 900, at_least=0)
SUBMISSIONS_CALLBACK_HOSTS = env.names("GRADEQUEUE_CALLBACK_HOSTS", [])
SUBMISSIONS_CALLBACK_AUTH = env.accounts("GRADEQUEUE_CALLBACK_AUTH")
SUBMISSIONS_WEBHOOK_URL = env.destination("GRADEQUEUE_WEBHOOK_URL")
SUBMISSIONS_WEBHOOK_SECRETS = env.names("GRADEQUEUE_WEBHOOK_SECRETS", [])
SUBMISSIONS_OUTBOUND_NETWORKS = [str(network) for network in env.networks("GRADEQUEUE_OUTBOUND_NETWORKS")]
SUBMISSIONS_OUTBOUND_CA_FILE = env.readable_file("GRADEQUEUE_OUTBOUND_CA_FILE")
# `serve` has a process for it.
SUBMISSIONS_DELIVER_AT_ONCE = False
# A grader's reply in a form of several parts is held in memory; the views refuse what is larger.
DATA_UPLOAD_MAX_MEMORY_SIZE = 25 * 1024 * 1024
# REST's part `submission` may look like a file, too.
DATA_UPLOAD_MAX_NUMBER_FILES = SUBMISSIONS_FILES_MAX_COUNT + 1

LOG_FORMAT = env.choice("GRADEQUEUE_LOG_FORMAT", "line", ("line", "json"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "gradequeue.monitoring.formats.Line"},
        "json": {"()": "gradequeue.monitoring.formats.Json"},
    },
    "filters": {"answered": {"()": "gradequeue.monitoring.repeats.AnsweredFilter"}},
    "handlers": {
        "stderr": {
            "class": "gradequeue.monitoring.repeats.RepeatsHandler",
            "formatter": LOG_FORMAT,
        },
        # Where there is no handler at all, Python writes to standard error by itself.
        "nowhere": {"class": "logging.NullHandler"},
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "submissions": {"level": env.choice("GRADEQUEUE_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))},
        "gradequeue.serve": {"level": "INFO"},
        # Refused requests are part of a grader's day; their reasons are told by submissions.*.
        "django.request": {"level": "ERROR", "filters": ["answered"]},
        # Anybody can send a Host that is not ours; it is answered, and not worth a traceback each time.
        "django.security.DisallowedHost": {"handlers": ["nowhere"], "propagate": False},
        "django.security.DisallowedRedirect": {"handlers": ["nowhere"], "propagate": False},
        "django": {"handlers": [], "propagate": True},
    },
}
