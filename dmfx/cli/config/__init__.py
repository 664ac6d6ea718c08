"""Configuration files of ``dmfx sweep``: TOML, read into a model, the arguments of `dmfx.sweep` and a cluster.

Every error names the file, the line and the key, what was expected and what came.
"""

from dmfx.cli.config.file import ConfigError
from dmfx.cli.config.reading import Config, read_config

__all__ = ["Config", "ConfigError", "read_config"]
