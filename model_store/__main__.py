"""``python -m model_store``; its commands live in the application, which can run a bundle."""

from damage_tasks.cli.bundles import main

if __name__ == "__main__":
    main()
