"""Settings: one file, read from the environment, with defaults under which one machine runs the whole platform."""

from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from config import env, smtp

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = env.flag("PACKMULE_DEBUG")
PACKMULE_DATA_DIR = env.folder("PACKMULE_DATA_DIR", BASE_DIR / ".packmule")


def _secret_key() -> str:
    """PACKMULE_SECRET_KEY, or the one that `up` keeps in the data directory.

    A machine that serves nothing yet (building documentation, checking migrations) gets one that is good for this
    process alone.
    """
    import secrets

    kept = PACKMULE_DATA_DIR / "secret_key"
    return env.text("PACKMULE_SECRET_KEY") or (
        kept.read_text().strip() if kept.is_file() else secrets.token_urlsafe(48)
    )


SECRET_KEY = _secret_key()
if len(SECRET_KEY) < 32:
    raise ImproperlyConfigured("PACKMULE_SECRET_KEY must have at least 32 characters.")

# Hosts are checked against the registry of domains by apps.tenancy, for every request.
ALLOWED_HOSTS = ["*"]
PACKMULE_HOSTS = env.words("PACKMULE_HOSTS", "127.0.0.1,localhost,[::1],testserver")
PACKMULE_BASE_HOST = env.text("PACKMULE_BASE_HOST", "localhost")
# What `up` serves; commands in another terminal find it by the data directory.
PACKMULE_PORT = env.integer("PACKMULE_PORT", env.served_port(PACKMULE_DATA_DIR))
# Where people reach the installation: scheme and port of the links in mails.
PACKMULE_PUBLIC_URL = env.public_url("PACKMULE_PUBLIC_URL")
PACKMULE_MAX_BODY_BYTES = env.integer("PACKMULE_MAX_BODY_BYTES", 1024 * 1024)
PACKMULE_ROLE_PREFIX = env.text("PACKMULE_ROLE_PREFIX", "packmule")
PACKMULE_POOL_SIZE = env.integer("PACKMULE_POOL_SIZE", 2)
PACKMULE_RATE_LIMIT = env.text("PACKMULE_RATE_LIMIT", "6000/60")
PACKMULE_FAILURE_LIMIT = env.text("PACKMULE_FAILURE_LIMIT", "300/60")
# Public keys by which a secret scanner signs its reports of leaked keys: words of id:key.
PACKMULE_SECRET_SCANNING_KEYS = env.words("PACKMULE_SECRET_SCANNING_KEYS")
PACKMULE_TRUSTED_PROXIES = env.words("PACKMULE_TRUSTED_PROXIES")
# Where those say the client's address. X_Forwarded_For is the same to WSGI; a name without a dash has no such double.
PACKMULE_ADDRESS_HEADER = env.header("PACKMULE_ADDRESS_HEADER", "X-Forwarded-For")
PACKMULE_ADMIN_EMAIL = env.text("PACKMULE_ADMIN_EMAIL", "admin@packmule.localhost")
PACKMULE_KEY = env.text("PACKMULE_KEY")
# Where `manage.py login` keeps the sign-in that commands use without a key.
PACKMULE_LOGIN_FILE = env.login_file("PACKMULE_LOGIN_FILE")
# Wraps the keys under which tenants seal secrets; without it, the file master_key in the data directory is read.
PACKMULE_MASTER_KEY = env.text("PACKMULE_MASTER_KEY")
# Lets calls to addresses that tenants chose reach this machine itself; unprotected environments always may.
PACKMULE_OUTBOUND_LOOPBACK = env.flag("PACKMULE_OUTBOUND_LOOPBACK")
# Where the bytes of files lie: a folder here, or a bucket of any S3 where one is named.
PACKMULE_STORAGE_DIR = env.folder("PACKMULE_STORAGE_DIR", PACKMULE_DATA_DIR / "files")
# Where signed URLs of files that lie here lead, when that is not PACKMULE_PUBLIC_URL; one of PACKMULE_HOSTS.
PACKMULE_STORAGE_URL = env.public_url("PACKMULE_STORAGE_URL")
# How many calls of a web process may wait for something to come; the rest of its 8 threads answers others.
PACKMULE_LONG_POLLS = env.integer("PACKMULE_LONG_POLLS", 2)
# The streaming process: its port, where clients reach it when that is not PACKMULE_PUBLIC_URL, and its most streams.
PACKMULE_STREAM_PORT = env.integer(
    "PACKMULE_STREAM_PORT", env.served_port(PACKMULE_DATA_DIR, "stream_port") or 8421
)
PACKMULE_STREAM_URL = env.public_url("PACKMULE_STREAM_URL")
PACKMULE_STREAMS = env.integer("PACKMULE_STREAMS", 1000)
# How many uploads and downloads a web process makes at a time; the rest of its 8 threads is for calls.
PACKMULE_STORAGE_TRANSFERS = env.integer("PACKMULE_STORAGE_TRANSFERS", 5)
# What carries doorbells to the platform's workers: amqp:// or redis:// of a server; without one, Postgres does.
PACKMULE_BROKER_URL = env.text("PACKMULE_BROKER_URL")
# How many jobs of the platform a worker process does at a time.
PACKMULE_WORKER_THREADS = env.integer("PACKMULE_WORKER_THREADS", 8)
# How many of these may be one tenant's, waiting for its receivers, over all worker processes: they may be slow.
PACKMULE_OUTGOING_AT_ONCE = env.integer("PACKMULE_OUTGOING_AT_ONCE", max(1, PACKMULE_WORKER_THREADS // 2))
# How many bytes of the disk on which they lie here stay free: an upload that would take them is not begun.
PACKMULE_STORAGE_RESERVE = env.integer("PACKMULE_STORAGE_RESERVE", 2**30)
PACKMULE_S3_BUCKET = env.text("PACKMULE_S3_BUCKET")
PACKMULE_S3_ENDPOINT = env.public_url("PACKMULE_S3_ENDPOINT")
PACKMULE_S3_REGION = env.text("PACKMULE_S3_REGION", "us-east-1")
PACKMULE_S3_ACCESS_KEY = env.text("PACKMULE_S3_ACCESS_KEY")
PACKMULE_S3_SECRET_KEY = env.text("PACKMULE_S3_SECRET_KEY")
# The bucket in the path instead of the host, as most servers but Amazon's have it.
PACKMULE_S3_PATH_STYLE = env.flag("PACKMULE_S3_PATH_STYLE", default=bool(PACKMULE_S3_ENDPOINT))
# Looks at every file before anybody gets it: clamav://HOST:PORT of a clamd. Without one, files are not looked at.
PACKMULE_SCANNER = env.scanner("PACKMULE_SCANNER")
# Whether strangers may sign up on the console. In environments the product's customers always may.
PACKMULE_OPEN_SIGNUP = env.flag("PACKMULE_OPEN_SIGNUP")

_BASE_APPS = [
    "apps.core",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "apps.accounts",
    "apps.orgs",
    "apps.apikeys",
    "apps.audit",
    "apps.policy",
    "apps.data",
    "apps.storage",
    "apps.jobs",
    "apps.events",
    "allauth",
    "allauth.account",
    "allauth.headless",
    "allauth.idp.oidc",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.usersessions",
    "django.contrib.admin",
]
_CONSOLE_APPS = [*_BASE_APPS, "apps.applications"]
_REGISTRY_APPS = ["apps.core", "django_tenants", "apps.tenancy", "apps.apikeys", "apps.jobs"]

# Which models of an app live in the registry is said by their table's name; the router decides by it.
HAS_MULTI_TYPE_TENANTS = True
MULTI_TYPE_DATABASE_FIELD = "kind"
TENANT_TYPES = {
    "public": {"APPS": _REGISTRY_APPS, "URLCONF": "config.urls"},
    "console": {"APPS": _CONSOLE_APPS, "URLCONF": "config.urls"},
    "environment": {"APPS": _BASE_APPS, "URLCONF": "config.environment_urls"},
}
TENANT_MODEL = "tenancy.Tenant"
TENANT_DOMAIN_MODEL = "tenancy.Domain"
TENANT_SYNC_ROUTER = "apps.tenancy.routers.WallRouter"
DATABASE_ROUTERS = [TENANT_SYNC_ROUTER]
TENANT_LIMIT_SET_CALLS = True

INSTALLED_APPS = [
    "unfold",
    "django_tenants",
    "apps.tenancy",
    *_CONSOLE_APPS,
    "auditlog",
    "apps.console",
    "rest_framework",
    "drf_spectacular",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "apps.core.middleware.request_middleware",
    "apps.core.problem_handlers.ProblemMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "apps.accounts.signin.middleware.private_middleware",
    "apps.apikeys.middleware.acting_middleware",
    "apps.accounts.signin.middleware.one_at_a_time_middleware",
    "apps.apikeys.sessions.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "apps.apikeys.middleware.session_middleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False

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
                "apps.accounts.signin.pages.product",
            ],
        },
    },
]

# `default` is the server's login role, which owns nothing; `owner` owns the schemas and is used by provisioning alone.
_SERVED = env.served_databases(PACKMULE_DATA_DIR)
DATABASES = {
    alias: env.database(name, _SERVED.get(name, "postgresql:///packmule"), WALLS=alias == "default")
    for alias, name in (("default", "PACKMULE_DATABASE_URL"), ("owner", "PACKMULE_OWNER_DATABASE_URL"))
}

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
# Signing up and in: see apps/accounts/signin and docs/sign-in.md.
ACCOUNT_ADAPTER = "apps.accounts.signin.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
# With mandatory verification, signing up with a taken address looks like signing up with a free one.
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT = 15 * 60
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
# An address replaces the present one when it was confirmed, and never before.
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_SUPPORTS_RESEND = True
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 15 * 60
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 10 * 60
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "apps.accounts.signin.tokens.ResetTokens"  # noqa: S105
PASSWORD_RESET_TIMEOUT = 3600
# A session ends when the tenant's settings say, whether somebody ticks a box or not.
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_FORMS = {
    "login": "apps.accounts.signin.forms.SignInForm",
    "signup": "apps.accounts.signin.forms.SignUpForm",
}
# Counted in the tenant's cache, over all workers. `key` is an account as seen from one address; what is counted from
# anywhere is wide, and short, so that strangers lock nobody out for long. See docs/sign-in.md.
ACCOUNT_RATE_LIMITS = {
    "signup": "20/m/ip",
    "login": "30/m/ip",
    "login_failed": "10/m/ip,5/m/key,20/h/key",
    "login_failed_anywhere": "50/10m/key",
    "request_login_code": "20/m/ip",
    "reset_password": "20/m/ip",
    # Mails with codes and links, whatever they are for; `key` as above.
    "confirm_email": None,
    "mail": "5/m/key,20/h/key",
    "mail_anywhere": "30/10m/key",
    "reset_password_from_key": "20/m/ip",
    "reauthenticate": "10/m/user",
    "change_password": "5/m/user",
    "manage_email": "10/m/user",
}
MFA_ADAPTER = "apps.accounts.signin.factors.MFAAdapter"
MFA_RATE_LIMITS = {"webauthn_login": "30/m/ip"}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
# Clocks of telephones are a little off: the codes just before and after count too (RFC 6238, 5.2), each once.
MFA_TOTP_TOLERANCE = 1
MFA_RECOVERY_CODES_SHOW_ONCE = True
# Session tokens, never JWT: one of another tenant would be taken for ours.
HEADLESS_TOKEN_STRATEGY = "allauth.headless.tokens.strategies.sessions.SessionTokenStrategy"  # noqa: S105
HEADLESS_ADAPTER = "apps.accounts.signin.headless.HeadlessAdapter"
HEADLESS_CLIENTS = ("app", "browser")
USERSESSIONS_ADAPTER = "apps.accounts.signin.headless.UserSessionsAdapter"
USERSESSIONS_TRACK_ACTIVITY = False
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/accounts/"
ACCOUNT_LOGOUT_REDIRECT_URL = "/accounts/login/"

# Machine sign-in: see apps/accounts/oauth and docs/oauth.md. Clients are registered below /v1 alone: documents that a
# stranger names (CIMD) would be fetched from private addresses too.
IDP_OIDC_ADAPTER = "apps.accounts.oauth.adapter.IdentityAdapter"
IDP_OIDC_ACCESS_TOKEN_EXPIRES_IN = 3600
IDP_OIDC_REFRESH_TOKEN_EXPIRES_IN = 30 * 24 * 3600
IDP_OIDC_AUTHORIZATION_CODE_EXPIRES_IN = 60
IDP_OIDC_INTROSPECTION_ENABLED = True
IDP_OIDC_DCR_ENABLED = False
IDP_OIDC_CIMD_ENABLED = False

# Accounts elsewhere: see apps/accounts/signin/providers and docs/sign-in-providers.md. Providers are the tenant's rows.
SOCIALACCOUNT_ADAPTER = "apps.accounts.signin.providers.adapter.SocialAdapter"
SOCIALACCOUNT_FORMS = {"signup": "apps.accounts.signin.providers.forms.SocialSignUpForm"}
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_LOGIN_ON_GET = False

SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
# Cookies ignore ports: two installations on one host would end each other's sessions under one name.
# Behind https they are sent there alone, and a browser takes them from nobody but this very host.
_BEHIND_HTTPS = PACKMULE_PUBLIC_URL.startswith("https:")
_COOKIE = f"{'__Host-' if _BEHIND_HTTPS else ''}{PACKMULE_ROLE_PREFIX}"
SESSION_COOKIE_NAME = f"{_COOKIE}_session_{env.text('PACKMULE_PORT', '0')}"
CSRF_COOKIE_NAME = f"{_COOKIE}_csrf_{env.text('PACKMULE_PORT', '0')}"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _BEHIND_HTTPS
SECURE_HSTS_SECONDS = env.integer("PACKMULE_HSTS_SECONDS", 365 * 24 * 3600 if _BEHIND_HTTPS else 0)
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "apps.core.problem_handlers.csrf_failure"

# allauth keeps device codes and rate limits in the cache: all workers share it, and each tenant has its own.
CACHES = {"default": {"BACKEND": "apps.core.cache.TenantCache"}}

AUDITLOG_USE_FK_STRING_REPRESENTATION = False

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_PARSER_CLASSES": ["apps.core.strictjson.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["apps.core.strictjson.StrictJSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "apps.core.schema.OperationSchema",
    "EXCEPTION_HANDLER": "apps.core.problem_handlers.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Packmule",
    "DESCRIPTION": "An agent-native backend: users, organizations, keys, walled data, jobs, policy and audit.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "DEFAULT_GENERATOR_CLASS": "apps.core.schema.Generator",
}

STATIC_URL = "/static/"
# Served straight from the packages; a deployment that collects them says where to.
STATIC_ROOT = env.text("PACKMULE_STATIC_ROOT") or None
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
# URLs carry a fingerprint of the file, so a day is safe; what style sheets name without one (fonts) is looked at daily.
WHITENOISE_MAX_AGE = 24 * 3600
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "apps.console.staticfiles.FingerprintedStorage"},
}

USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = True
LANGUAGE_CODE = "en"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Without a mail server, mails are kept as files in the data directory and named on stderr.
_SMTP = smtp.server(env.text("PACKMULE_SMTP_URL"))
EMAIL_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend"
    if _SMTP
    else "apps.accounts.mails.backend.FileAndConsoleBackend"
)
if _SMTP:
    EMAIL_HOST, EMAIL_PORT, EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = (
        _SMTP.host,
        _SMTP.port,
        _SMTP.user,
        _SMTP.password,
    )
    EMAIL_USE_SSL, EMAIL_USE_TLS = _SMTP.implicit_tls, _SMTP.starttls
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = smtp.sender(env.text("PACKMULE_MAIL_FROM", f"noreply@{PACKMULE_BASE_HOST}"))
SERVER_EMAIL = DEFAULT_FROM_EMAIL

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.text("PACKMULE_LOG_LEVEL", "WARNING")},
    # oauthlib's debugging writes down codes and tokens.
    "loggers": {"packmule": {"level": "INFO"}, "oauthlib": {"level": "INFO"}},
}
