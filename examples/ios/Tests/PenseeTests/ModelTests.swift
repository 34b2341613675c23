// Opening, its errors, memory, and that our enumerations are the header's.
import CPensee
import Foundation
import Pensee
import XCTest

final class ModelTests: XCTestCase {
    private func status(_ body: () throws -> Void) -> Status? {
        do {
            try body()
            return nil
        } catch {
            return (error as? PenseeError)?.status
        }
    }

    func testAnAssetIsOpenedByOffsetAndLength() throws {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: Scenario.modelPath()))
        let folder = try Scenario.temporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let asset = folder.appendingPathComponent("assets")
        try (Data(count: 1001) + bytes + Data(count: 77)).write(to: asset)
        let file = try FileHandle(forReadingFrom: asset)
        let model = try Model(fileDescriptor: file.fileDescriptor, offset: 1001, length: UInt64(bytes.count))
        file.closeFile()
        let whole = try Model(data: bytes)
        XCTAssertEqual(try model.tokenize("Is 221 prime?"), try whole.tokenize("Is 221 prime?"))
        XCTAssertEqual(model.info.weightBytes, whole.info.weightBytes)
        XCTAssertTrue(model.info.thinks)
    }

    func testTokensOfTheTokenizerAreTheBytes() throws {
        let model = try Model(path: Scenario.modelPath())
        XCTAssertEqual(try model.tokenize("Is 221 prime?"), "Is 221 prime?".utf8.map { Int32($0) })
        XCTAssertEqual(try model.tokenize(""), [])
    }

    func testErrorsNameWhatIsWrong() throws {
        XCTAssertThrowsError(try Model(path: "/nowhere/model.gguf")) { error in
            XCTAssertEqual((error as? PenseeError)?.status, .fileNotFound)
            XCTAssertTrue(error.localizedDescription.contains("/nowhere/model.gguf"), error.localizedDescription)
        }
        XCTAssertEqual(status { _ = try Model(data: Data("GGUF".utf8)) }, .fileCorrupt)
        XCTAssertEqual(status { _ = try Model(path: "a\0b") }, .badArgument)
        let session = try Model(path: Scenario.modelPath()).makeSession()
        var options = Options()
        options.temperature = -2
        XCTAssertEqual(status { _ = try session.stream("Hi", options: options) }, .badArgument)
    }

    func testALoadTellsItsProgressAndCanBeCancelled() throws {
        let path = try Scenario.modelPath()
        let seen = Fractions()
        var options = ModelOptions()
        options.progress = { fraction in
            seen.add(fraction)
            return true
        }
        _ = try Model(path: path, options: options)
        XCTAssertEqual(seen.all.first, 0)
        XCTAssertEqual(seen.all.last, 1)
        XCTAssertEqual(seen.all, seen.all.sorted())
        options.progress = { _ in false }
        XCTAssertEqual(status { _ = try Model(path: path, options: options) }, .cancelled)
    }

    func testMemoryBudget() throws {
        let path = try Scenario.modelPath()
        let use = try Model(path: path).memory
        XCTAssertGreaterThan(use.weights, 0)
        var options = ModelOptions()
        options.memoryBudget = use.weights - 1
        XCTAssertEqual(status { _ = try Model(path: path, options: options) }, .outOfMemory)
    }

    func testTrimGivesMemoryBack() async throws {
        let model = try Model(path: Scenario.modelPath())
        let session = try model.makeSession()
        var options = Options()
        options.maxTokens = 30
        let before = model.memory.used
        _ = try await session.ask("Is 221 prime?", options: options)
        let full = model.memory.used
        XCTAssertGreaterThan(full, before)
        XCTAssertGreaterThan(model.trim(.sessions), 0)
        XCTAssertLessThan(model.memory.used, full)
    }

    func testASavedSessionGoesOn() async throws {
        let model = try Model(path: Scenario.modelPath())
        let folder = try Scenario.temporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("kept").path
        let session = try model.makeSession()
        var options = Options()
        options.maxTokens = 10
        _ = try await session.ask("Is 221 prime?", options: options)
        try session.save(to: path)
        XCTAssertEqual(try model.restoreSession(from: path).tokens(), try session.tokens())
    }

    func testEnumerationsAreTheHeaders() {
        let statuses: [(Status, Int)] = [
            (.badArgument, Int(PENSEE_BAD_ARGUMENT)), (.fileNotFound, Int(PENSEE_FILE_NOT_FOUND)),
            (.fileCorrupt, Int(PENSEE_FILE_CORRUPT)), (.fileIO, Int(PENSEE_FILE_IO)),
            (.outOfMemory, Int(PENSEE_OUT_OF_MEMORY)), (.unsupported, Int(PENSEE_UNSUPPORTED)),
            (.busy, Int(PENSEE_BUSY)), (.contextFull, Int(PENSEE_CONTEXT_FULL)),
            (.noMoreEvents, Int(PENSEE_NO_MORE_EVENTS)), (.cancelled, Int(PENSEE_CANCELLED)),
            (.stoppedByCallback, Int(PENSEE_STOPPED_BY_CALLBACK)), (.timeout, Int(PENSEE_TIMEOUT)),
            (.internalError, Int(PENSEE_INTERNAL)),
        ]
        XCTAssertEqual(statuses.count, Status.allCases.count)
        for (ours, theirs) in statuses { XCTAssertEqual(Int(ours.rawValue), theirs) }
        XCTAssertEqual(Int(Event.Kind.end.rawValue), Int(PENSEE_EVENT_END))
        XCTAssertEqual(Int(FinishReason.error.rawValue), Int(PENSEE_FINISH_ERROR))
        XCTAssertEqual(Int(FinishReason.cancelled.rawValue), Int(PENSEE_FINISH_CANCELLED))
        XCTAssertEqual(Int(Effort.max.rawValue), Int(PENSEE_EFFORT_MAX))
        XCTAssertEqual(Int(ToolChoice.none.rawValue), Int(PENSEE_TOOLS_NONE))
        XCTAssertEqual(Int(ModelOptions.CacheType.int4.rawValue), Int(PENSEE_CACHE_INT4))
        XCTAssertEqual(Int(ModelOptions.Activations.int8.rawValue), Int(PENSEE_ACTIVATIONS_INT8))
        XCTAssertEqual(Int(ModelOptions.ThreadPriority.background.rawValue), Int(PENSEE_THREAD_PRIORITY_BACKGROUND))
        XCTAssertEqual(Int(Model.TrimLevel.sessions.rawValue), Int(PENSEE_TRIM_SESSIONS))
    }
}

/// Collected by callbacks.
private final class Fractions: @unchecked Sendable {
    private let lock = NSLock()
    private var values: [Float] = []

    var all: [Float] {
        lock.lock()
        defer { lock.unlock() }
        return values
    }

    func add(_ value: Float) {
        lock.lock()
        defer { lock.unlock() }
        values.append(value)
    }
}
