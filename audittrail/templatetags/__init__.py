"""Tags for templates of the admin, ours and those that projects put in their place."""
