// swift-tools-version:5.7
// Pensee for Swift, over the C header. On Apple's systems the library comes as pensee.xcframework beside this file,
// made by cmake/xcframework.sh; without one, and on Linux, it is an installed libpensee that pkg-config finds.
import Foundation
import PackageDescription

let framework = "pensee.xcframework"
let hasFramework = FileManager.default.fileExists(atPath: Context.packageDirectory + "/" + framework)
#if os(macOS)
let library: Target = hasFramework
    ? .binaryTarget(name: "CPensee", path: framework)
    : .systemLibrary(name: "CPensee", pkgConfig: "pensee")
#else
let library: Target = .systemLibrary(name: "CPensee", pkgConfig: "pensee")
#endif

let package = Package(
    name: "Pensee",
    platforms: [.iOS("16.3"), .macOS("13.3")],  // since when the system prints doubles (std::to_chars)
    products: [
        .library(name: "Pensee", targets: ["Pensee"]),
        .library(name: "PenseeUI", targets: ["PenseeUI"]),
        .executable(name: "chat", targets: ["chat"]),
    ],
    targets: [
        library,
        .target(
            name: "Pensee", dependencies: ["CPensee"],
            linkerSettings: [.linkedLibrary("c++", .when(platforms: [.iOS, .macOS]))]),
        .target(name: "PenseeUI", dependencies: ["Pensee"]),
        .executableTarget(name: "chat", dependencies: ["Pensee"]),
        .testTarget(name: "PenseeTests", dependencies: ["Pensee", "CPensee"]),
    ])
