"""`python -m admin_cli …` is `siaran …`, wherever the program itself lies."""

import sys

from admin_cli.main import main

sys.exit(main())
