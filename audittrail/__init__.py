"""The complete history of a PostgreSQL database: captured by triggers, read through Django's ORM."""

__version__ = "0.1.0"
