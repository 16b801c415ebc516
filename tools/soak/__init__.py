"""Runs the stack for an hour while parts restart, and checks that nothing grows."""
