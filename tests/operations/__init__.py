"""What a DBA does: backups, replicas, replication, upgrades."""
