"""`python -m pensee`: the pensee command."""

from ._cli import main

raise SystemExit(main())
