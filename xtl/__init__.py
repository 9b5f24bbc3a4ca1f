"""xtl: studies of intermediate-task transfer on XTREME. The control plane: imports neither torch nor transformers."""

__version__ = "0.1.0"
