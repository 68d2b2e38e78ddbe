"""A fresh database for each random play."""

from tests.builders.fresh import fresh_database, server, worker_id

__all__ = ["fresh_database", "server", "worker_id"]
