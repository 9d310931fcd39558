"""``python -m tools.reference`` writes the reference pages anew."""

from kedro.framework.startup import bootstrap_project

from tools.reference import FOLDER, ROOT, pages


def main() -> None:
    """Write every page and name those that changed."""
    bootstrap_project(ROOT)
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        file = FOLDER / name
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            print(f"wrote {file.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
