// A conversation for a view: thought and answer grow as they come. Computes in the foreground alone.
#if canImport(SwiftUI)
import Pensee
import SwiftUI

@MainActor
public final class Conversation: ObservableObject {
    public struct Turn: Identifiable {
        public let id: Int
        public let question: String
        public var thought = ""
        public var answer = ""
        public var isRunning = true
    }

    @Published public private(set) var turns: [Turn] = []
    /// 0...1 while the model is loaded; nil when it is there.
    @Published public private(set) var loading: Double? = 0
    @Published public private(set) var failure: String?

    private let path: String
    private let options: ModelOptions
    private var session: Session?
    private var task: Task<Void, Never>?

    public init(path: String, options: ModelOptions = Conversation.phoneOptions) {
        self.path = path
        self.options = options
    }

    /// Half the memory of a float32 cache, at most 4096 positions, and no more threads than a phone has fast cores.
    nonisolated public static var phoneOptions: ModelOptions {
        var options = ModelOptions()
        options.cacheType = .float16
        options.contextMax = 4096
        options.threads = max(1, min(4, ProcessInfo.processInfo.activeProcessorCount - 2))
        return options
    }

    public var isRunning: Bool { turns.last?.isRunning ?? false }

    public func load() async {
        guard session == nil else { return }
        var watched = options
        watched.progress = { [weak self] fraction in
            Task { @MainActor [weak self] in self?.showProgress(fraction) }
            return true
        }
        do {
            var headersOnly = ModelOptions()
            headersOnly.skipWeights = true
            let limit = try Model(path: path, options: headersOnly).info.contextMax
            watched.contextMax = min(watched.contextMax, Int(limit))
            session = try await Model.load(path: path, options: watched).makeSession()
            loading = nil
        } catch {
            failure = error.localizedDescription
        }
    }

    private func showProgress(_ fraction: Float) {
        if session == nil { loading = Double(fraction) }
    }

    public func send(_ question: String) {
        guard let session = session, !isRunning, !question.isEmpty else { return }
        let messages = turns.flatMap { [Message(.user, $0.question), Message(.assistant, $0.answer)] }
        let prompt = Prompt(messages: messages + [Message(.user, question)])
        turns.append(Turn(id: turns.count, question: question))
        failure = nil
        task = Task {
            do {
                for try await event in try session.stream(prompt) {
                    show(event)
                }
            } catch {
                failure = error.localizedDescription
            }
            turns[turns.count - 1].isRunning = false
        }
    }

    private func show(_ event: Event) {
        let last = turns.count - 1
        switch event.kind {
        case .thought: turns[last].thought += event.text
        case .answer: turns[last].answer += event.text
        case .toolCall, .end: break
        }
    }

    /// The thought is closed, the answer follows.
    public func answerNow() {
        session?.endThought()
    }

    public func stop() {
        task?.cancel()
    }

    /// The system ends applications that compute in the background.
    public func enterBackground() {
        session?.model.pause()
        session?.model.trim()
    }

    public func enterForeground() {
        session?.model.resume()
    }

    public func memoryIsShort() {
        session?.model.trim(.sessions)
    }
}
#endif
