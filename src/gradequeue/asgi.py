"""What an ASGI server loads; `gradequeue serve` uses WSGI."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gradequeue.settings")
application = get_asgi_application()
