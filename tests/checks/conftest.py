"""Sample projects for checks of whole projects."""

from tests.suites.conftest import sample

__all__ = ["sample"]
