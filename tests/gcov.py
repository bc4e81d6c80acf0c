# gcov.py - what gcov has counted, for tests/parts/coverage and tests/parts/mutation.
import json, os, subprocess


def documents(folder, root):
    """What gcov says of the .gcda files below a folder, beside which are the .gcno."""
    data = [os.path.join(path, name) for path, _, names in os.walk(folder)
            for name in sorted(names) if name.endswith(".gcda")]
    for at in range(0, len(data), 20):
        command = ["gcov", "--branch-probabilities", "--json-format", "--stdout"]
        text = subprocess.run(command + data[at:at + 20], cwd=root, capture_output=True,
                              text=True, check=True).stdout
        for line in text.splitlines():
            yield json.loads(line)


def lines(folder, root):
    """(file, line number, how often, [how often each branch]) of engine and sql.

    A line comes once for each object that it is in: those of a header, a macro's."""
    for document in documents(folder, root):
        for file in document["files"]:
            if file["file"].startswith(("engine/", "sql/")):
                for line in file["lines"]:
                    branches = [b["count"] for b in line["branches"] if not b["throw"]]
                    yield file["file"], line["line_number"], line["count"], branches
