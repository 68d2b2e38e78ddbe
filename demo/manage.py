"""Run Django's commands on the demo's database while the demo runs; `demo/run.py` prints how."""

import os
import sys
from pathlib import Path

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    os.environ["DJANGO_SETTINGS_MODULE"] = "demo.settings"
    execute_from_command_line(sys.argv)
