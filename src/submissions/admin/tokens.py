"""Tokens: made, shown once, revoked. Their secrets are nowhere to be read."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import router, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.timezone import now
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from submissions.accounts import tokens
from submissions.accounts.permissions import is_staff
from submissions.activity import note
from submissions.admin import display
from submissions.admin.base import Base, actor_of
from submissions.admin.terms import Text
from submissions.models import Scope, Token
from submissions.words import number


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]
    """Refuses what `make_token` refuses."""

    maker: Any = None
    """Who fills it in."""
    scopes = forms.MultipleChoiceField(choices=Scope.choices, widget=forms.CheckboxSelectMultiple)

    class Meta:
        model = Token
        fields = ("account", "name", "scopes", "queue_patterns", "expires_at")

    def clean(self) -> dict[str, Any]:
        cleaned = dict(super().clean() or {})
        if not self.errors:
            try:
                tokens.check(cleaned["account"], cleaned["scopes"], _patterns(cleaned), cleaned["expires_at"])
            except tokens.TokenRefused as refused:
                raise ValidationError(str(refused)) from None
            if not _may_make_for(self.maker, cleaned["account"]):
                words = gettext("Only a superuser can make a token of another member of staff.")
                raise ValidationError(words)
        return cleaned


def _may_make_for(maker: Any, account: Any) -> bool:
    """Whoever may make tokens would otherwise have the rights of every account."""
    return bool(maker.is_superuser or maker.pk == account.pk or not (is_staff(account) or account.is_superuser))


def _patterns(cleaned: dict[str, Any]) -> list[str]:
    return [line.strip() for line in cleaned["queue_patterns"].splitlines() if line.strip()]


@admin.register(Token)
class TokenAdmin(Base):
    form = TokenForm
    list_display = ("token", "account", "name", "scopes", "state", "last_used", "expires")
    list_select_related = ("account",)
    routes: ClassVar[dict[str, Any]] = {"public_id": Text, f"account__{get_user_model().USERNAME_FIELD}": Text}
    search_help_text = _("Exactly: the eight characters behind gq_, or an account's name")
    raw_id_fields = ("account",)
    actions = ("revoke",)
    fieldsets = ((None, {"fields": ("account", "name", "scopes", "queue_patterns", "expires_at")}),)

    def get_form(self, request: HttpRequest, obj: Token | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        return type(form.__name__, (form,), {"maker": request.user})

    def has_change_permission(self, request: HttpRequest, obj: Token | None = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False  # a revoked one tells what it was

    def save_model(self, request: HttpRequest, obj: Token, form: Any, change: bool) -> None:
        cleaned = form.cleaned_data
        made, text = tokens.make_token(
            cleaned["account"],
            scopes=cleaned["scopes"],
            queues=_patterns(cleaned),
            name=cleaned["name"],
            expires_at=cleaned["expires_at"],
            created_by=request.user.get_username(),
        )
        note(actor_of(request), "token", subject=f"{cleaned['account'].get_username()}: {made}")
        obj.pk, obj.public_id = made.pk, made.public_id
        messages.warning(request, gettext("The token, which is not shown again: %(token)s") % {"token": text})

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        return "Made." if add else super().construct_change_message(request, form, formsets, add)

    @admin.action(description=_("Revoke"), permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Token]) -> None:
        with transaction.atomic(using=router.db_for_write(Token)):
            rows = [tokens.revoke(token.public_id) for token in queryset]
            for row in filter(None, rows):
                note(actor_of(request), "revoke", subject=f"{row.account.get_username()}: {row}")
        words = ngettext("%(count)s revoked.", "%(count)s revoked.", len(rows))
        self.message_user(request, words % {"count": number(len(rows))})

    @admin.display(description=_("Token"))
    def token(self, row: Token) -> str:
        return str(row)

    @admin.display(description=_("State"))
    def state(self, row: Token) -> str:
        return (
            display.badge("open", gettext("good")) if row.is_live(now()) else display.badge("failed", gettext("ended"))
        )

    @admin.display(description=_("Last used"))
    def last_used(self, row: Token) -> str:
        return display.moment(row.last_used_at) if row.last_used_at else display.EMPTY

    @admin.display(description=_("Expires"))
    def expires(self, row: Token) -> str:
        return display.moment(row.expires_at) if row.expires_at else display.EMPTY
