"""The admin: pages of history in every AdminSite, built on what the other stages offer; nothing knows of it.

A folder for each page holds its view and all that serves it alone; what several pages need stands in a shared room. Imports go down:
integration/    puts the pages into every AdminSite: URLs, menus, links, the panel on the index
history/ version/ compare/                pages of one object      deleted/            deleted objects of a model
revisions/ revision/                      what transactions did    time_machine/       the whole admin as of then
bringing_back/  restore, undelete, undo, restore everything, roll back: one flow
objects/        the object of a page: how it is found, and which tables hold what belongs to it
lists/          paging, searching, filters
display/        how values, names, operations and times read, on all pages; what is said of a revision (`revision*.py`)
permissions/    who may see and do what                 layout/         addresses, links, responses, the registry
"""

from audittrail.admin.integration import installation
from audittrail.admin.time_machine import installation as time_machine

installation.install()
time_machine.install()
