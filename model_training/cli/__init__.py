"""The commands of ``python -m model_training``; heavy libraries are imported when one runs."""
