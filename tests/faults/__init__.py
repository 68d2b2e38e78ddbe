"""What goes wrong around a transaction: clients and servers that die, conflicts, little memory, a restore."""
