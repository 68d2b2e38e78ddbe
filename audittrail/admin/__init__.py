"""The admin: pages of history in every AdminSite, built on what the other stages offer; nothing knows of it."""

from audittrail.admin.installation import install

install()
