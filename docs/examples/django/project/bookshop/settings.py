"""What every developer of the bookshop starts with: a database in a file."""

SECRET_KEY = "not secret"
INSTALLED_APPS = ["books"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "bookshop.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
