"""``sbatch``, ``squeue`` and ``scancel`` where there is no SLURM: each job is a process group of this machine."""

import os
import signal
import subprocess
from pathlib import Path

__all__ = ["SlurmStandIn"]

# Numbers are taken by creating a folder, which only one process can do. The job gets a session of its own, so that it
# lives on without whoever has sent it, and can be ended whole.
SBATCH = """\
#!/usr/bin/env bash
set -euo pipefail
script=${!#}
test -f "$script"
number=1
until mkdir "$SLURM_STAND_IN/$number" 2>/dev/null; do number=$((number + 1)); done
job=$SLURM_STAND_IN/$number
cp "$script" "$job/script"
SLURM_JOB_ID=$number setsid bash -c 'echo $$ >"$0/pid"; exec bash "$0/script"' "$job" >"$job/out" 2>&1 </dev/null &
until test -s "$job/pid"; do sleep 0.01; done
echo "Submitted batch job $number"
"""
# As SLURM does: ask, and after a while (KillWait, here two seconds) force.
SCANCEL = """\
#!/usr/bin/env bash
for number in "$@"; do
  group=$(cat "$SLURM_STAND_IN/$number/pid") || exit 1
  kill -TERM -- "-$group" 2>/dev/null || continue
  (sleep 2; kill -KILL -- "-$group") >/dev/null 2>&1 &
done
"""
SQUEUE = """\
#!/usr/bin/env bash
for job in "$SLURM_STAND_IN"/*/; do
  number=$(basename "$job")
  kill -0 -- "-$(cat "$job/pid")" 2>/dev/null && echo "$number"
done
exit 0
"""


class SlurmStandIn:
    """Shell scripts with the names of SLURM's commands in a folder of their own.

    `environment` has them on its path. Used as a context, it ends the jobs that are left over.
    """

    def __init__(self, folder: Path):
        self.jobs_folder = folder / "jobs"
        self.jobs_folder.mkdir(parents=True)
        commands = folder / "bin"
        commands.mkdir()
        for name, text in {"sbatch": SBATCH, "scancel": SCANCEL, "squeue": SQUEUE}.items():
            (commands / name).write_text(text)
            (commands / name).chmod(0o755)
        path = f"{commands}{os.pathsep}{os.environ['PATH']}"
        self.environment = os.environ | {"PATH": path, "SLURM_STAND_IN": str(self.jobs_folder)}
        self.commands = commands

    def __enter__(self) -> "SlurmStandIn":
        return self

    def __exit__(self, *_: object) -> None:
        for number in self.running():
            os.killpg(int((self.jobs_folder / str(number) / "pid").read_text()), signal.SIGKILL)

    def running(self) -> list[int]:
        """Numbers of the jobs that run."""
        said = subprocess.run(
            [self.commands / "squeue"], env=self.environment, capture_output=True, text=True, check=True
        )
        return sorted(map(int, said.stdout.split()))

    def cancel(self, number: int) -> None:
        """End a job."""
        subprocess.run([self.commands / "scancel", str(number)], env=self.environment, check=True)
