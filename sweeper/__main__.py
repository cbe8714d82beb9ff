"""`python -m sweeper`, which imports nothing from the folder that it is started in, as `sweeper` does not."""

import os
import sys

if __name__ == "__main__":
    # a user's project may have a secrets.py, and one that was cloned anything; this package has been found already
    if not getattr(sys.flags, "safe_path", False) and sys.path[0] in ("", os.getcwd()):  # noqa: PTH109 - pathlib is not ours yet
        del sys.path[0]

    from sweeper.cli import main

    sys.exit(main())
