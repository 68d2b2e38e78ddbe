"""Management commands of audittrail."""
