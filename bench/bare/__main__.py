"""Serve it as `manage.py serve` serves Packmule."""

import sys

from apps.core.management.commands.serve import load_application, make_server

make_server("bench.bare.app:application", port=int(sys.argv[1])).serve(target_loader=load_application)
