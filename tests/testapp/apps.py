"""Configuration of the test app."""

from django.apps import AppConfig


class TestAppConfig(AppConfig):
    """Name the app of the test models."""

    name = "tests.testapp"
    verbose_name = "Shop"
