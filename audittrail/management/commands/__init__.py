"""The command `manage.py audittrail`."""
