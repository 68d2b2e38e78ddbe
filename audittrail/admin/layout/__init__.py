"""How pages are made: their registry, addresses and the keys in them, links, breadcrumbs and responses; it knows nothing of what they show, nor to whom."""
