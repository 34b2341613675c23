// Streams: the tokens that every binding gives, cancelling, pausing, errors on the way.
import Foundation
import Pensee
import XCTest

final class StreamTests: XCTestCase {
    private func options(_ scenario: Scenario) -> Options {
        var options = Options()
        options.temperature = scenario.options.temperature.map { Float($0) }
        options.maxTokens = scenario.options.max_tokens ?? 0
        options.thinkBudget = scenario.options.think_budget
        return options
    }

    private func prompt(_ scenario: Scenario) -> Prompt {
        Prompt(scenario.prompt ?? "", system: scenario.system)
    }

    private var endless: Options {
        var options = Options()
        options.temperature = 0
        options.ignoreEndOfText = true
        return options
    }

    func testRepliesAreTheExpectedOnes() async throws {
        let model = try await Model.load(path: Scenario.modelPath())
        for name in ["ask", "budget", "no thought"] {
            let scenario = try Scenario.named(name)
            let reply = try await model.ask(prompt(scenario), options: options(scenario))
            XCTAssertEqual(reply.tokenIDs, scenario.expected.token_ids, name)
            XCTAssertEqual(reply.thought, scenario.expected.thought, name)
            XCTAssertEqual(reply.answer, scenario.expected.answer, name)
            XCTAssertEqual(reply.usage?.promptTokens, scenario.expected.prompt_tokens, name)
            XCTAssertEqual(reply.usage?.thoughtTokens, scenario.expected.thought_tokens, name)
        }
    }

    func testEventsComeInOrder() async throws {
        let scenario = try Scenario.named("budget")
        let session = try Model(path: Scenario.modelPath()).makeSession()
        var kinds: [Event.Kind] = []
        for try await event in try session.stream(prompt(scenario), options: options(scenario)) {
            if kinds.last != event.kind { kinds.append(event.kind) }
        }
        XCTAssertEqual(kinds, [.thought, .answer, .end])
    }

    func testLeavingTheLoopCancelsAndTheSessionGoesOn() async throws {
        let scenario = try Scenario.named("ask")
        let session = try Model(path: Scenario.modelPath()).makeSession()
        var ids: [Int32] = []
        for try await event in try session.stream(prompt(scenario), options: endless) {
            if let id = event.tokenID { ids.append(id) }
            if ids.count == 5 { break }
        }
        XCTAssertEqual(ids, Array(scenario.expected.token_ids.prefix(5)))
        let reply = try await askWhenFree(session, scenario)
        XCTAssertEqual(reply.tokenIDs, scenario.expected.token_ids)
        XCTAssertGreaterThan(reply.usage?.cachedTokens ?? 0, 0)
    }

    /// The stream that was left ends within a token, not at once.
    private func askWhenFree(_ session: Session, _ scenario: Scenario) async throws -> Reply {
        for _ in 0..<500 {
            do {
                return try await session.ask(prompt(scenario), options: options(scenario))
            } catch let error as PenseeError where error.status == .busy {
                try await Task.sleep(nanoseconds: 10_000_000)
            }
        }
        throw PenseeError(status: .busy, message: "the session stayed busy")
    }

    func testCancellingTheTaskCancelsTheReply() async throws {
        let session = try Model(path: Scenario.modelPath()).makeSession()
        let endless = self.endless
        let task = Task { try await session.ask("Is 221 prime?", options: endless) }
        task.cancel()
        do {
            _ = try await task.value
            XCTFail("a cancelled reply came to its end")
        } catch is CancellationError {
        }
    }

    func testEndThoughtIsFollowedByAnAnswer() async throws {
        let session = try Model(path: Scenario.modelPath()).makeSession()
        var options = endless
        options.maxTokens = 300
        var thought = 0, answer = 0, forced = 0
        for try await event in try session.stream("Is 221 prime?", options: options) {
            if event.kind == .thought, event.tokenID != nil { thought += 1 }
            if event.kind == .answer, event.tokenID != nil { answer += 1 }
            if event.isForced { forced += 1 }
            if thought == 5 { session.endThought() }
        }
        XCTAssertGreaterThan(forced, 0)
        XCTAssertGreaterThan(answer, 0)
    }

    func testPausedStreamsWaitAndLoseNothing() async throws {
        let scenario = try Scenario.named("ask")
        let model = try Model(path: Scenario.modelPath())
        let session = try model.makeSession()
        model.pause()
        let prompt = self.prompt(scenario), options = self.options(scenario)
        let began = Date()
        let task = Task { try await session.ask(prompt, options: options) }
        try await Task.sleep(nanoseconds: 300_000_000)
        model.resume()
        let reply = try await task.value
        XCTAssertEqual(reply.tokenIDs, scenario.expected.token_ids)
        XCTAssertGreaterThan(Date().timeIntervalSince(began), 0.25)
    }

    func testConversationKeepsWhatItComputed() async throws {
        let session = try Model(path: Scenario.modelPath()).makeSession()
        var options = Options()
        options.temperature = 0
        options.maxTokens = 20
        options.thinkBudget = 8
        var messages = [Message(.user, "Is 221 prime? \u{1F600} \"\\")]
        let first = try await session.ask(Prompt(messages: messages), options: options)
        messages += [first.message, Message(.user, "Why?")]
        let second = try await session.ask(Prompt(messages: messages), options: options)
        XCTAssertEqual(first.usage?.cachedTokens, 0)
        XCTAssertGreaterThan(second.usage?.cachedTokens ?? 0, 0)
        XCTAssertFalse(try session.tokens().isEmpty)
    }
}
