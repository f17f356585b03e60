"""A small platform that still has edx-submissions."""

import os

import environ

DATABASES = {"default": environ.Env().db("DATABASE_URL")}
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "submissions"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
MEDIA_ROOT = os.environ["OLD_MEDIA"]
SECRET_KEY = "old"
USE_TZ = True
TIME_ZONE = "UTC"
