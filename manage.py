#!/usr/bin/env python3
"""Django's command line. Through `./run manage COMMAND` it finds the running stack by itself."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "curation.settings")
    execute_from_command_line(sys.argv)
