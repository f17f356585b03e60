"""The admin's login, throttled like that of graders."""

from __future__ import annotations

from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError

from submissions.accounts.throttle import Attempt, Throttled


class LoginForm(AdminAuthenticationForm):
    def clean(self) -> dict[str, object]:
        name, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if not name or not password:
            return dict(super().clean())
        attempt = Attempt(name, self.request.META.get("REMOTE_ADDR", "") if self.request else "", password)
        try:
            attempt.admit()
            return dict(self._check_password(attempt))
        except Throttled as throttled:
            raise ValidationError(throttled.in_words(), code="throttled") from None

    def _check_password(self, attempt: Attempt) -> dict[str, object]:
        try:
            cleaned = super().clean()
        except ValidationError:
            attempt.record_failure()
            raise
        attempt.record_success()
        return cleaned
