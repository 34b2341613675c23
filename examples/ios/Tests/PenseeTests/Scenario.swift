// The scenarios that every binding shares (tests/scenarios), and files that tests make.
import Foundation
import XCTest

struct Scenario: Decodable {
    struct Wanted: Decodable {
        let temperature: Double?
        let max_tokens: Int?
        let think_budget: Int?
    }
    struct Expected: Decodable {
        let token_ids: [Int32]
        let thought: String
        let answer: String
        let prompt_tokens: Int64
        let thought_tokens: Int64
    }

    let name: String
    let prompt: String?
    let system: String?
    let options: Wanted
    let expected: Expected

    private struct File: Decodable {
        let replies: [Scenario]
    }

    /// PENSEE_SCENARIOS, else the folder of this checkout.
    static let folder: URL = {
        if let named = ProcessInfo.processInfo.environment["PENSEE_SCENARIOS"] {
            return URL(fileURLWithPath: named)
        }
        var root = URL(fileURLWithPath: #filePath)
        for _ in 0..<5 { root.deleteLastPathComponent() }
        return root.appendingPathComponent("tests/scenarios")
    }()

    static func modelPath() throws -> String {
        let path = folder.appendingPathComponent("thinker.gguf").path
        try XCTSkipUnless(FileManager.default.fileExists(atPath: path), "no model at \(path)")
        return path
    }

    static func named(_ name: String) throws -> Scenario {
        let data = try Data(contentsOf: folder.appendingPathComponent("scenarios.json"))
        let file = try JSONDecoder().decode(File.self, from: data)
        return try XCTUnwrap(file.replies.first { $0.name == name })
    }

    /// A folder of its own for a test.
    static func temporaryFolder() throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("pensee-" + UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }
}
