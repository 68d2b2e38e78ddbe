"""How the pages get into every AdminSite: URLs, menus, links on Django's own pages, the panel on the index; it knows the shared rooms, and the pages by their registry alone."""
