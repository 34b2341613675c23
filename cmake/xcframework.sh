#!/bin/sh
# pensee.xcframework for iPhones, the simulator and Macs: the static core, pensee.h and the module CPensee. On a Mac
# with Xcode and CMake:
#
#   sh cmake/xcframework.sh [FOLDER]      where it is put; examples/ios by default, where its Package.swift finds it
#
# macOS alone, which is quicker: PENSEE_SLICES=macos sh cmake/xcframework.sh
set -eu
cd "$(dirname "$0")/.."
to=${1:-examples/ios}
slices=${PENSEE_SLICES:-ios ios-simulator macos}
command -v xcodebuild >/dev/null 2>&1 || { echo "xcframework.sh: needs Xcode (xcodebuild)" >&2; exit 1; }

headers=build/xcframework/headers
rm -rf build/xcframework "$to/pensee.xcframework"
mkdir -p "$headers/pensee"
cp include/pensee/pensee.h "$headers/pensee/"
cp examples/ios/Sources/CPensee/CPensee.h "$headers/"
cat >"$headers/module.modulemap" <<'MAP'
module CPensee {
  header "CPensee.h"
  link "c++"
  export *
}
MAP

build() { # build PRESET: the library's path
  cmake --preset "$1" >&2 && cmake --build --preset "$1" --target pensee >&2
  find "build/$1" -name libpensee.a
}

set --
for slice in $slices; do
  case $slice in
    ios) library=$(build ios) ;;
    *) # for Apple silicon and Intel in one file
      mkdir -p "build/xcframework/$slice"
      library=build/xcframework/$slice/libpensee.a
      lipo -create "$(build "$slice")" "$(build "$slice-x86_64")" -output "$library"
      ;;
  esac
  set -- "$@" -library "$library" -headers "$headers"
done
xcodebuild -create-xcframework "$@" -output "$to/pensee.xcframework"
