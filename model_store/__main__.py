"""``python -m model_store``; the commands need the application, which can run a bundle."""

from damage_tasks.cli.bundles import main

if __name__ == "__main__":
    main()
