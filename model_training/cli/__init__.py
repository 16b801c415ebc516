"""The commands of ``python -m model_training``; nothing heavy is imported before one runs."""
