"""Fixtures of this folder."""

from tests.builders.fresh import fresh_database, server, worker_id

__all__ = ["fresh_database", "server", "worker_id"]
