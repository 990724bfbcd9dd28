"""`python -m web.build`."""

from web.build.build import main

raise SystemExit(main())
