"""The project's pipelines, a package or a module each."""
