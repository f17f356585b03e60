"""The service's addresses."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import RedirectView

from gradequeue.accounts.logins import LoginForm
from gradequeue.http import errors
from submissions.rest.urls import nothing

admin.site.login_form = LoginForm
admin.site.site_title = admin.site.site_header = "gradequeue"
admin.site.index_title = _("Admin")

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="dashboard:overview")),
    path("dashboard/", include("gradequeue.dashboard.urls")),
    path("xqueue/", include("submissions.urls")),
    # Exempt: a POST would be told of a missing token, by an HTML page.
    re_path(r"^xqueue(/.*)?$", csrf_exempt(errors.not_found)),
    path("api/external_grading/v1/", include("submissions.rest.urls")),
    re_path(r"^api/external_grading(/.*)?$", nothing),
    path("admin/", admin.site.urls),
]

handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.server_error
