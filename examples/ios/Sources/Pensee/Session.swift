// Session: remembers what was computed of a conversation. Replies are pulled by a thread of their own, so that none of
// Swift's waits, and no thread of the library calls into Swift.
import CPensee
import Foundation

public final class Session: @unchecked Sendable {
    let handle: OpaquePointer
    /// Frees its handle after ours, and holds what the library's callbacks need.
    public let model: Model
    private let turn = NSLock()  // the library wants one call at a time of a session

    init(_ model: Model, _ made: OpaquePointer?) throws {
        guard let handle = made else {
            throw PenseeError(status: .internalError, message: "the library gave no session")
        }
        self.handle = handle
        self.model = model
    }

    deinit {
        pensee_session_free(handle)
    }

    /// The reply, event by event; the last one is of kind `end`. Hand the whole conversation over each time: only what
    /// is new is computed. Ending the loop, or the task around it, cancels what still runs. A session streams once at a
    /// time: `.busy`.
    public func stream(_ prompt: Prompt, options: Options = Options()) throws -> AsyncThrowingStream<Event, Error> {
        let opened = try prompt.withNative(options) { nativePrompt, nativeOptions in
            try PulledStream(self, nativePrompt, nativeOptions)
        }
        return AsyncThrowingStream<Event, Error> { continuation in
            continuation.onTermination = { @Sendable reason in
                if case .cancelled = reason { opened.cancel() }
            }
            let thread = Thread { opened.pump(into: continuation) }
            thread.name = "pensee stream"
            thread.start()
        }
    }

    /// The whole reply. Cancelling the task cancels it.
    public func ask(_ prompt: Prompt, options: Options = Options()) async throws -> Reply {
        var reply = Reply()
        for try await event in try stream(prompt, options: options) where event.sample == 0 {
            reply.add(event)
        }
        try Task.checkCancellation()
        return reply
    }

    /// Stops what the session generates, within one token or one chunk of the prompt.
    public func cancel() {
        pensee_session_cancel(handle)
    }

    /// Closes the thought of what the session generates; the answer follows.
    public func endThought() {
        pensee_session_end_thought(handle)
    }

    /// The tokens that the session has computed.
    public func tokens() throws -> [Int32] {
        turn.lock()
        defer { turn.unlock() }
        var count = 0
        try PenseeError.check { error in pensee_session_tokens(handle, nil, 0, &count, error) }
        var ids = [Int32](repeating: 0, count: count)
        let capacity = count
        try PenseeError.check { error in pensee_session_tokens(handle, &ids, capacity, &count, error) }
        return ids
    }

    /// Saves what was computed. Written atomically: a new file beside `path`, renamed over it.
    public func save(to path: String) throws {
        turn.lock()
        defer { turn.unlock() }
        let strings = CStrings()
        let cPath = try strings.add(path)
        try withExtendedLifetime(strings) {
            try PenseeError.check { error in pensee_session_save(handle, cPath, error) }
        }
    }

    fileprivate func openStream(_ prompt: UnsafePointer<pensee_prompt>,
                                _ options: UnsafePointer<pensee_options>) throws -> OpaquePointer {
        turn.lock()
        defer { turn.unlock() }
        var made: OpaquePointer?
        try PenseeError.check { error in pensee_stream_open(handle, prompt, options, &made, error) }
        guard let stream = made else {
            throw PenseeError(status: .internalError, message: "the library gave no stream")
        }
        return stream
    }
}

/// A stream of the library. The thread that pumps and the one that may cancel hold it; the last of them frees it.
private final class PulledStream: @unchecked Sendable {
    private let session: Session
    private let handle: OpaquePointer
    private let samples: Int

    init(_ session: Session, _ prompt: UnsafePointer<pensee_prompt>,
         _ options: UnsafePointer<pensee_options>) throws {
        self.session = session
        samples = max(1, Int(options.pointee.n))
        handle = try session.openStream(prompt, options)
    }

    deinit {
        pensee_stream_free(handle)
    }

    func cancel() {
        pensee_stream_cancel(handle)
    }

    func pump(into continuation: AsyncThrowingStream<Event, Error>.Continuation) {
        var event = cpensee_event()
        var error = cpensee_error()
        var ends = 0
        while ends < samples {
            if pensee_stream_next(handle, -1, &event, &error) != 0 {
                continuation.finish(throwing: PenseeError(error))
                return
            }
            let value = Event(event)
            if value.kind == .end { ends += 1 }
            continuation.yield(value)
        }
        continuation.finish()
    }
}
