from django.apps import AppConfig


class DashboardConfig(AppConfig):
    name = "gradequeue.dashboard"
    label = "dashboard"
    verbose_name = "Dashboard"
