"""Golden files of cases: those that a file has already stay as they are, since another CPU changes last digits."""

import json


def known(file, of, part="cases"):
    """The cases of a file, by what they depend on; to have all of them anew, remove the file."""
    golden = json.loads(file.read_text()) if file.exists() else {part: []}
    return {of(case): case for case in golden[part]}


def written(golden):
    """JSON with one point a line."""
    head = {key: value for key, value in golden.items() if key != "cases"}
    cases = []
    for case in golden["cases"]:
        points = ",\n    ".join(json.dumps(point) for point in case.pop("points"))
        cases.append(json.dumps(case)[:-1] + f', "points": [\n    {points}]}}')
    return json.dumps(head)[:-1] + ', "cases": [\n' + ",\n".join(cases) + "\n]}\n"
