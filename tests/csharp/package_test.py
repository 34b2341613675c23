#!/usr/bin/env python3
"""The NuGet package has what a .NET program needs: packed here, read as a package, unpacked into a folder of its own,
and used there by a program that knows nothing of the build.

    package_test.py ROOT BUILD/csharp MCS MONO
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
import zipfile

PROGRAM = """
public static class Program {
  public static void Main(string[] arguments) {
    using (var model = new Pensee.Model(arguments[0])) {
      var options = new Pensee.Options { MaxTokens = 5, Temperature = 0 };
      System.Console.WriteLine(string.Join(" ", model.Ask("Is 221 prime?", options).TokenIds));
      System.Console.WriteLine(Pensee.Library.Version);
    }
  }
}
"""


def check(condition, sentence, details=""):
    if not condition:
        sys.exit(f"not ok - {sentence}: {details}\n0 passed, 1 failed")
    print(f"ok - {sentence}")


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300, **options)
    check(done.returncode == 0, pathlib.Path(command[0]).name + " does its work", done.stdout + done.stderr)
    return done.stdout


def main():
    root, build, mcs, mono = sys.argv[1:]
    header = pathlib.Path(root, "include", "pensee", "pensee.h").read_text(encoding="utf-8")
    version = re.search(r'PENSEE_VERSION_TEXT "([^"]+)"', header).group(1)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        path = pathlib.Path(run(sys.executable, f"{root}/bindings/csharp/pack.py", build, folder).strip())
        check(path.name == f"Pensee.{version}.nupkg", "the package has the header's version", path.name)
        with zipfile.ZipFile(path) as package:
            names = package.namelist()
            check(package.testzip() is None and len(names) == len(set(names)), "it is a sound archive")
            package.extractall(folder / "package")
        place = re.compile(r"runtimes/linux-(x64|arm64)/native/libpensee_csharp\.so")
        native = [item for item in names if place.fullmatch(item)]
        wanted = {"Pensee.nuspec", "[Content_Types].xml", "_rels/.rels", "README.md", "lib/netstandard2.0/Pensee.dll",
                  "lib/netstandard2.0/Pensee.xml", *native}  # fmt: skip
        check(len(native) == 1 and set(names) == wanted, "it has these files and no others", names)
        parsed = {item: xml.etree.ElementTree.fromstring((folder / "package" / item).read_bytes())
                  for item in names if item.endswith((".xml", ".nuspec", ".rels"))}  # fmt: skip
        texts = {item.tag.split("}")[1]: item.text for item in parsed["Pensee.nuspec"].iter()}
        told = (texts["id"], texts["version"], texts["license"], texts["readme"])
        check(told == ("Pensee", version, "Apache-2.0", "README.md"), "its nuspec says what it is", told)
        kinds = {item.get("Extension") for item in parsed["[Content_Types].xml"]}
        endings = {item.rsplit(".", 1)[1] for item in names if item != "[Content_Types].xml"}
        check(endings <= kinds, "every kind of file has a content type", endings - kinds)
        target = parsed["_rels/.rels"][0].get("Target")
        check(target == "/Pensee.nuspec", "its relation leads to the nuspec", target)
        (folder / "program.cs").write_text(PROGRAM)
        for item in (native[0], "lib/netstandard2.0/Pensee.dll"):
            (folder / pathlib.PurePosixPath(item).name).write_bytes((folder / "package" / item).read_bytes())
        run(mcs, f"-r:{folder}/Pensee.dll", f"-out:{folder}/program.exe", folder / "program.cs")
        out = run(mono, folder / "program.exe", f"{root}/tests/scenarios/thinker.gguf", cwd=folder)
        check(out.split("\n")[:2] == ["141 215 130 130 130", version], "a program uses it", out)
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
