"""The generated files of the Helm chart."""
