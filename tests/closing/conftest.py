"""The fixtures of the tests of closing."""

from tests.builders.fresh import fresh_database, server, worker_id

__all__ = ["fresh_database", "server", "worker_id"]
