"""The admin: pages of history in every AdminSite, built on what the other stages offer; nothing knows of it."""

from audittrail.admin import installation
from audittrail.admin.travel import installation as travel

installation.install()
travel.install()
