#!/usr/bin/env python3
"""Packs the NuGet package of what mono compiled, where there is no .NET SDK: the library for netstandard2.0, its XML
documentation, the native library, README and licence expression. `dotnet pack` packs the one to publish, which also has
lib/net8.0 and what needs C# 8 (await foreach, nullable annotations).

    pack.py BUILD/csharp OUTDIR

Name, version and the rest come from Directory.Build.props and Pensee.csproj. Prints the path of the package.
"""

import hashlib
import pathlib
import platform
import re
import sys
import zipfile
from xml.sax.saxutils import escape

HERE = pathlib.Path(__file__).resolve().parent
MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
RELATIONS = "http://schemas.openxmlformats.org/package/2006"


def properties():
    text = (HERE / "Directory.Build.props").read_text(encoding="utf-8")
    text += (HERE / "Pensee" / "Pensee.csproj").read_text(encoding="utf-8")
    return dict(re.findall(r"<(\w+)>([^<$]*)</\1>", text))


def nuspec(values):
    return f"""<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://schemas.microsoft.com/packaging/2013/05/nuspec.xsd">
  <metadata>
    <id>{escape(values["PackageId"])}</id>
    <version>{escape(values["Version"])}</version>
    <authors>{escape(values["Authors"])}</authors>
    <license type="expression">{escape(values["PackageLicenseExpression"])}</license>
    <readme>README.md</readme>
    <description>{escape(values["Description"])}</description>
    <tags>{escape(values["PackageTags"].replace(";", " "))}</tags>
    <dependencies>
      <group targetFramework=".NETStandard2.0" />
    </dependencies>
  </metadata>
</package>
"""


def content_types(names):
    kinds = {pathlib.PurePosixPath(name).suffix.lstrip(".") for name in names} - {"rels"}
    rows = ['<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml" />']
    rows += [f'<Default Extension="{kind}" ContentType="application/octet" />' for kind in sorted(kinds)]
    return (f'<?xml version="1.0" encoding="utf-8"?>\n<Types xmlns="{RELATIONS}/content-types">\n  '
            + "\n  ".join(rows) + "\n</Types>\n")  # fmt: skip


def relations(spec):
    kind = "http://schemas.microsoft.com/packaging/2010/07/manifest"
    name = "R" + hashlib.sha256(spec.encode()).hexdigest()[:16]
    return (f'<?xml version="1.0" encoding="utf-8"?>\n<Relationships xmlns="{RELATIONS}/relationships">\n'
            f'  <Relationship Type="{kind}" Target="/{spec}" Id="{name}" />\n</Relationships>\n')  # fmt: skip


def main():
    build, out = map(pathlib.Path, sys.argv[1:])
    values = properties()
    machine = MACHINES[platform.machine().lower()]
    spec = values["PackageId"] + ".nuspec"
    files = {
        "lib/netstandard2.0/Pensee.dll": (build / "Pensee.dll").read_bytes(),
        "lib/netstandard2.0/Pensee.xml": (build / "Pensee.xml").read_bytes(),
        f"runtimes/linux-{machine}/native/libpensee_csharp.so": (build / "libpensee_csharp.so").read_bytes(),
        "README.md": (HERE / "README.md").read_bytes(),
    }
    head = {
        "_rels/.rels": relations(spec).encode(),
        spec: nuspec(values).encode(),
        "[Content_Types].xml": content_types([spec, *files]).encode(),
    }
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{values['PackageId']}.{values['Version']}.nupkg"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for name, data in {**head, **files}.items():
            package.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    print(path)


if __name__ == "__main__":
    main()
