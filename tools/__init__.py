"""Scripts that keep the documentation in step with the code; not part of the package."""
