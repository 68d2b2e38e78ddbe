"""What other packages are given, the last stage: it may use every stage but the admin, nothing uses it, and each room needs its package alone."""
