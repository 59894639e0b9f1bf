"""TorchScript files without the places in the sources, which name folders of the machine that wrote them."""

import zipfile


def bare(path):
    """Takes the debug records, and the hash over all records, out of a file."""
    with zipfile.ZipFile(path) as whole:
        records = [(entry, whole.read(entry)) for entry in whole.infolist()]
    with zipfile.ZipFile(path, "w") as stripped:
        for entry, data in records:
            if not entry.filename.endswith((".debug_pkl", "/serialization_id")):
                stripped.writestr(entry, data)
