"""The models that Django finds: `Revision`. Version models are made for each tracked model, see `revisions.versions`."""

from audittrail.revisions.models import Revision

__all__ = ["Revision"]
