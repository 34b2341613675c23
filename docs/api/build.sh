#!/bin/sh
# API pages of every language, from the comments in the sources; a warning is an error. Needs no build of pensee.
#   sh docs/api/build.sh [OUT] [c python csharp java]      OUT: build/docs; languages: those whose tool is there
# c and csharp need doxygen, python needs pydoctor (pip install pydoctor), java needs javadoc and swig.
set -eu
cd "$(dirname "$0")/../.."
out=${1:-build/docs}
[ $# -eq 0 ] || shift
version=$(sed -n 's/^project(pensee VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)

has() { command -v "$1" >/dev/null 2>&1; }

doxygen_pages() { # doxygen_pages LANGUAGE SETTING...
  language=$1
  shift
  rm -rf "${out:?}/$language"
  mkdir -p "$out/$language"
  {
    cat docs/api/Doxyfile
    printf '%s\n' "PROJECT_NUMBER = $version" "OUTPUT_DIRECTORY = $out/$language" "$@"
  } | doxygen -
}

c_pages() {
  doxygen_pages c 'PROJECT_NAME = "pensee for C and C++"' 'INPUT = include/pensee' 'OPTIMIZE_OUTPUT_FOR_C = YES' \
    'INPUT_FILTER = "python3 docs/api/filter.py"'
}

csharp_pages() {
  doxygen_pages csharp 'PROJECT_NAME = "pensee for C#"' 'OPTIMIZE_OUTPUT_JAVA = YES' 'FILE_PATTERNS = *.cs' \
    'INPUT = bindings/csharp/Pensee bindings/csharp/Pensee.Extensions.AI' 'EXCLUDE_PATTERNS = */bin/* */obj/*'
}

python_pages() {
  rm -rf "${out:?}/python"
  python3 docs/api/python_source.py bindings/python/pensee "$out/python/source/pensee"
  pydoctor -q --docformat=plaintext --warnings-as-errors --project-name=pensee --project-version="$version" \
    --project-base-dir="$out/python/source" --make-html --html-output="$out/python/html" "$out/python/source/pensee"
}

# SWIG's classes are not documented, but ours name them.
java_pages() {
  rm -rf "${out:?}/java"
  mkdir -p "$out/java/swig/org/pensee"
  swig -c++ -java -package org.pensee -Iinclude -Ibindings/swig -outdir "$out/java/swig/org/pensee" \
    -o "$out/java/swig/wrap.cxx" bindings/swig/pensee.i
  javadoc -quiet -protected -Xdoclint:all,-missing -Werror -windowtitle "pensee $version" -d "$out/java/html" \
    -sourcepath "bindings/java/pensee/src/main/java:$out/java/swig" bindings/java/pensee/src/main/java/org/pensee/*.java
}

if [ $# -eq 0 ]; then
  if has doxygen; then set -- c csharp; else echo "no doxygen: no pages for C and C#" >&2; fi
  if has pydoctor; then set -- "$@" python; else echo "no pydoctor: no pages for Python" >&2; fi
  if has javadoc && has swig; then set -- "$@" java; else echo "no javadoc or no swig: no pages for Java" >&2; fi
fi
for language in "$@"; do
  "${language}_pages"
  echo "$out/$language/html/index.html"
done
