// What a stream brings: values of their own, which may go to any thread.
import CPensee

public enum FinishReason: Int32, Sendable {
    case none = 0
    /// The end of the text, or a stop string.
    case stop
    /// `maxTokens`, `answerBudget`, or the context is full.
    case length
    /// As stop, after the thought was closed for its budget, or because it went in circles.
    case budget, loop
    case cancelled
    case toolCall
    case error
}

public struct ToolCall: Equatable, Sendable {
    /// To be repeated in the message with the result.
    public let id: String
    public let name: String
    /// A JSON object.
    public let arguments: String
}

public struct Alternative: Equatable, Sendable {
    public let tokenID: Int32
    public let logprob: Float
}

/// What a reply cost.
public struct Usage: Equatable, Sendable {
    public let promptTokens: Int64
    /// Of the prompt: not computed again.
    public let cachedTokens: Int64
    public let thoughtTokens: Int64
    public let answerTokens: Int64
    public let secondsToFirstToken: Double
    public let seconds: Double
    public let promptTokensPerSecond: Double
    public let tokensPerSecond: Double
    public let seed: UInt64

    init(_ from: pensee_usage) {
        promptTokens = from.prompt_tokens
        cachedTokens = from.cached_tokens
        thoughtTokens = from.thought_tokens
        answerTokens = from.answer_tokens
        secondsToFirstToken = from.seconds_to_first_token
        seconds = from.seconds
        promptTokensPerSecond = from.prompt_tokens_per_second
        tokensPerSecond = from.tokens_per_second
        seed = from.seed
    }
}

public struct Event: Equatable, Sendable {
    public enum Kind: Int32, Sendable {
        case thought = 1, answer, toolCall, end
    }

    public let kind: Kind
    /// Of a thought, an answer, or a call as it is written; may be empty.
    public let text: String
    /// Each generated token is that of exactly one event; nil where an event brings text alone.
    public let tokenID: Int32?
    public let logprob: Float
    public let position: Int64
    public let alternatives: [Alternative]
    /// With the last event of a call.
    public let toolCall: ToolCall?
    /// Of the end.
    public let finishReason: FinishReason
    public let usage: Usage?
    /// Which of `Options.samples`.
    public let sample: Int
    /// The library put the token: a prefix, the end of a thought.
    public let isForced: Bool

    init(_ from: pensee_event) {
        kind = Kind(rawValue: from.kind) ?? .answer
        if let bytes = from.text, from.text_length > 0 {
            let raw = UnsafeRawBufferPointer(start: UnsafeRawPointer(bytes), count: from.text_length)
            text = String(decoding: raw, as: UTF8.self)
        } else {
            text = ""
        }
        tokenID = from.token_id < 0 ? nil : from.token_id
        logprob = from.logprob
        position = from.position
        alternatives = UnsafeBufferPointer(start: from.alternatives, count: from.num_alternatives).map {
            Alternative(tokenID: $0.token_id, logprob: $0.logprob)
        }
        if let name = from.tool_name {
            toolCall = ToolCall(id: string(from.tool_call_id), name: String(cString: name),
                                arguments: string(from.tool_arguments_json))
        } else {
            toolCall = nil
        }
        finishReason = FinishReason(rawValue: from.finish_reason) ?? .none
        if let given = from.usage {
            usage = Usage(given.pointee)
        } else {
            usage = nil
        }
        sample = Int(from.sample)
        isForced = from.forced != 0
    }
}

/// A whole reply.
public struct Reply: Equatable, Sendable {
    public internal(set) var thought = ""
    public internal(set) var answer = ""
    public internal(set) var toolCalls: [ToolCall] = []
    public internal(set) var tokenIDs: [Int32] = []
    public internal(set) var finishReason = FinishReason.none
    public internal(set) var usage: Usage?

    /// As the next turn of a conversation takes it.
    public var message: Message { Message(.assistant, answer) }

    mutating func add(_ event: Event) {
        if let id = event.tokenID { tokenIDs.append(id) }
        switch event.kind {
        case .thought: thought += event.text
        case .answer: answer += event.text
        case .toolCall:
            if let call = event.toolCall { toolCalls.append(call) }
        case .end:
            finishReason = event.finishReason
            usage = event.usage
        }
    }
}
