"""The public functions: `from audittrail import history`."""

from audittrail.capture.tracking import register
from audittrail.revisions.accessor import of
from audittrail.revisions.context import context
from audittrail.revisions.editing import editing

__all__ = ["context", "editing", "of", "register"]
