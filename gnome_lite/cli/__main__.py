"""`python -m gnome_lite.cli`."""

from gnome_lite.cli import main

raise SystemExit(main())
