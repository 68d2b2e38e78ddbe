"""The project whose admin the page benchmark asks: orders with lines and tags, changed a million times."""
