"""How pages are made: their registry, addresses, links, breadcrumbs and responses; it knows nothing of what they show, nor to whom."""
