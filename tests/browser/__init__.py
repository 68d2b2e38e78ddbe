"""The admin as people see it: in a real Chromium, with the keyboard and the mouse."""
