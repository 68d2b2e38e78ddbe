"""The tables of the shop: a wide one, orders, and a narrow one, parcels, each once for each way of tracking it."""

from tests.benchmarks.shop.models import orders, parcels

__all__ = ["orders", "parcels"]
