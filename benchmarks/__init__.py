"""What dmfx costs, each number beside a floor measured in the same run. See README.md."""
