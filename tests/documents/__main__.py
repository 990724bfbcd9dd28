"""Write the documents that are made from code.

python -m tests.documents            write them all, those of the contracts too
python -m tests.documents --check    write nothing; exit 1 where one of them is stale
"""

from __future__ import annotations

import sys

from contracts import docs
from tests.documents.pages import PAGES

if __name__ == "__main__":
    docs.PAGES.update(PAGES)
    sys.exit(docs.main())
