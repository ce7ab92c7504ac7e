"""Croissant metadata of protocols: the protocol file, and the list of test videos where an entry knows them.

The format is Croissant 1.0 (http://mlcommons.org/croissant/1.0). The videos themselves are the data sets' own, under
their own licences, and are not part of it.
"""

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from osarbench import __version__
from osarbench.leaderboard.exports.board import Scored
from osarbench.protocols.protocol import Protocol

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
COLUMNS = {
    "role": "known or unknown: whether the action was trained on",
    "source": "data set and split",
    "video": "name within the data set",
    "label": "action",
}
_CONTEXT: dict[str, Any] = {
    "@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs", "column": "cr:column",
    "conformsTo": "dct:conformsTo", "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract", "field": "cr:field",
    "fileObject": "cr:fileObject", "fileProperty": "cr:fileProperty", "fileSet": "cr:fileSet", "format": "cr:format",
    "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath", "key": "cr:key",
    "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path", "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet", "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated",
    "replace": "cr:replace", "sc": "https://schema.org/", "separator": "cr:separator", "source": "cr:source",
    "subField": "cr:subField", "transform": "cr:transform",
}  # fmt: skip


def to_croissant(protocol: Protocol, content: str, found: Sequence[Scored]) -> dict[PurePosixPath, str]:
    """Return the files of a protocol by path: its metadata, the protocol itself, and its test videos if they are known.

    Args:
        protocol: to be described.
        content: of its file.
        found: entries, from the first of which that was run the videos are listed.
    """
    folder = PurePosixPath(protocol.name)
    files = {folder / f"{protocol.name}.toml": content}
    distribution = [_file(f"{protocol.name}.toml", content, "application/toml", "The protocol, as osarbench reads it.")]
    records: list[dict[str, Any]] = []
    for one in found:
        if one.protocol.name == protocol.name and one.entry.tier == "run":
            listed = _videos(one)
            files[folder / "videos.csv"] = listed
            distribution.append(_file("videos.csv", listed, "text/csv", "Every test video."))
            records.append(_record_set())
            break
    metadata = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": f"osarbench-{protocol.name}",
        "description": _described(protocol),
        "url": f"urn:sha256:{protocol.sha256}",
        "license": "See the data sets' own terms; the videos are not part of this.",
        "creator": {"@type": "sc:Organization", "name": "osarbench"},
        "keywords": ["action recognition", "open set", "out-of-distribution detection", "video"],
        "version": __version__,
        "isLiveDataset": False,
        "distribution": distribution,
        "recordSet": records,
    }
    files[folder / "croissant.json"] = json.dumps(metadata, indent=2, ensure_ascii=False) + "\n"
    return files


def _described(protocol: Protocol) -> str:
    sections = protocol.sections
    known = f"Known: {sections.known.dataset}, trained on {', '.join(sections.known.train)}"
    unknown = "; ".join(
        f"{one.dataset} ({', '.join(one.splits)})" + (f" without {', '.join(one.exclude)}" if one.exclude else "")
        for one in sections.unknown
    )
    return (
        f"{sections.title}. {known}, tested on {', '.join(sections.known.test)}. Unknown: {unknown}. Protocol sha256 "
        f"{protocol.sha256}."
    )


def _videos(one: Scored) -> str:
    rows = one.entry.rows()
    tested = rows.loc[rows["role"].isin(["known", "unknown"]), list(COLUMNS)].sort_values(list(COLUMNS))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(tested.itertuples(index=False))
    return buffer.getvalue()


def _file(name: str, content: str, kind: str, description: str) -> dict[str, Any]:
    encoded = content.encode()
    return {
        "@type": "cr:FileObject", "@id": name, "name": name, "description": description, "contentUrl": name,
        "contentSize": f"{len(encoded)} B", "encodingFormat": kind, "sha256": hashlib.sha256(encoded).hexdigest(),
    }  # fmt: skip


def _record_set() -> dict[str, Any]:
    fields = [
        {
            "@type": "cr:Field", "@id": f"videos/{name}", "name": name, "description": description,
            "dataType": "sc:Text", "source": {"fileObject": {"@id": "videos.csv"}, "extract": {"column": name}},
        }
        for name, description in COLUMNS.items()
    ]  # fmt: skip
    return {"@type": "cr:RecordSet", "@id": "videos", "name": "videos", "description": "Test videos.", "field": fields}
