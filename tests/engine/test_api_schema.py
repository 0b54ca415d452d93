"""What a program finds that knows nothing of the API but its document: Schemathesis, on all of it.

It makes requests that fit the document, and such that don't, and holds the answers against it. In
`make test` a few for each route; `make fuzz` makes SIARAN_EXAMPLES of them, all edge cases that the
document has, and chains of requests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from tests.engine.conftest import Stage
from tests.engine.serving import serving
from tests.engine.test_api_desk import furnished

EXAMPLES = int(os.environ.get("SIARAN_EXAMPLES", "1"))
SECONDS = 240 if EXAMPLES > 1 else 6
PHASES = "coverage,fuzzing,stateful" if EXAMPLES > 1 else "fuzzing"

NOT_CHECKED = (
    "ensure_resource_availability",  # it asks for what was made as `%2A` by the name of `*`
    "positive_data_acceptance",  # what fits may be refused all the same: the rest are rules (422)
    "ignored_auth",  # test_api_desk has each route without credentials; here guessing is slowed
)


@pytest.mark.trio
async def test_no_answer_is_a_fault_or_undocumented(stage: Stage, tmp_path: Path) -> None:
    """R-7.8: no 5xx, no status, media type, header or body that the document doesn't have."""
    beside = Path(sys.executable).parent
    program = shutil.which("schemathesis", path=f"{beside}:{os.environ['PATH']}")
    assert program is not None, "schemathesis is not installed: make install"
    async with serving(stage) as api:
        token = await api.token("anna")
        await furnished(api, token)
        done = await trio.run_process(
            [
                program,
                "run",
                f"http://{api.host}:{api.port}/v1/openapi.json",
                f"--header=Authorization: Bearer {token}",
                f"--phases={PHASES}",
                f"--max-examples={EXAMPLES}",
                f"--max-time={SECONDS}",
                f"--exclude-checks={','.join(NOT_CHECKED)}",
                "--no-color",
                "--generation-deterministic" if EXAMPLES == 1 else "--generation-database=none",
            ],
            cwd=tmp_path,
            capture_stdout=True,
            stderr=subprocess.STDOUT,
            check=False,
        )
    said = done.stdout.decode()
    assert done.returncode == 0, said.partition("= FAILURES =")[2] or said
    assert "Tested:" in said
