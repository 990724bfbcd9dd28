"""Before any package is imported, with and without a snapshot: what the web has instead of native modules."""

import os
import re
import sys

# parsimonious 0.10 wants `regex`, which has no wheel for the web; eth-abi's grammar needs nothing that `re` has not.
sys.modules["regex"] = re
os.environ["ETH_HASH_BACKEND"] = "pysha3"

from tallystick_web import keccak  # noqa: E402

sys.modules["eth_hash.backends.pysha3"] = keccak
