"""The register as a Django application."""

from django.apps import AppConfig


class RegistryConfig(AppConfig):
    """The application `registry`."""

    name = "demo.registry"
    verbose_name = "Register"
