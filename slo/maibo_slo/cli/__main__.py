"""``python -m maibo_slo.cli``."""

from maibo_slo.cli import main

main()
