// What to continue, and how. What a new Options says is the library's own default.
import CPensee
import Foundation

public enum Effort: Int32, Sendable {
    case automatic = 0, none, minimal, low, medium, high, xhigh, max
}

public enum ToolChoice: Int32, Sendable {
    /// The model decides, the same held to the tools given, one call, no tools.
    case automatic = 0, strict, required, none
}

public struct Options: Sendable {
    /// Thought and answer together; 0: until the context is full.
    public var maxTokens = 0
    /// Tokens of thought, at which it is closed and the answer follows; nil: no limit.
    public var thinkBudget: Int?
    /// Tokens of answer; 0: no limit.
    public var answerBudget = 0
    public var effort = Effort.automatic
    /// 0: greedy; nil, here and below: as the model recommends.
    public var temperature: Float?
    public var topP: Float?
    public var topK: Int?
    public var minP: Float = 0
    /// Same seed, same text; 0: a new one each time.
    public var seed: UInt64 = 0
    public var stop: [String] = []
    public var ignoreEndOfText = false
    /// Alternatives told with each token, 0...20.
    public var topLogprobs = 0
    /// Samples of the reply; each has an END of its own.
    public var samples = 1
    public var priority = 0
    /// Texts that thought and answer begin with.
    public var thoughtPrefix: String?
    public var answerPrefix: String?
    /// At most one of these: what the answer (never the thought) is held to.
    public var jsonSchema: String?
    public var regex: String?
    public var grammar: String?
    public var toolChoice = ToolChoice.automatic

    public init() {}

    func native(_ strings: CStrings) throws -> pensee_options {
        var to = cpensee_options()
        to.max_tokens = Int64(maxTokens)
        to.think_budget = Int64(thinkBudget ?? -1)
        to.answer_budget = Int64(answerBudget)
        to.effort = effort.rawValue
        to.temperature = temperature ?? -1
        to.top_p = topP ?? -1
        to.top_k = Int32(clamping: topK ?? -1)
        to.min_p = minP
        to.seed = seed
        to.stop = try strings.add(stop)
        to.num_stop = stop.count
        to.ignore_eos = ignoreEndOfText ? 1 : 0
        to.top_logprobs = Int32(clamping: topLogprobs)
        to.n = Int32(clamping: samples)
        to.priority = Int32(clamping: priority)
        to.thought_prefix = try strings.add(thoughtPrefix)
        to.answer_prefix = try strings.add(answerPrefix)
        to.json_schema = try strings.add(jsonSchema)
        to.regex = try strings.add(regex)
        to.grammar = try strings.add(grammar)
        to.tool_choice = toolChoice.rawValue
        return to
    }
}

/// One message of a conversation, shaped as OpenAI's.
public struct Message: Codable, Equatable, Sendable {
    public enum Role: String, Codable, Sendable {
        case system, user, assistant, tool
    }

    public var role: Role
    public var content: String
    /// The thought of an assistant's message; most templates leave it out.
    public var thought: String?
    /// Of a message with the result of a tool: the id of the call.
    public var toolCallID: String?

    enum CodingKeys: String, CodingKey {
        case role, content
        case thought = "reasoning_content"
        case toolCallID = "tool_call_id"
    }

    public init(_ role: Role, _ content: String, thought: String? = nil, toolCallID: String? = nil) {
        self.role = role
        self.content = content
        self.thought = thought
        self.toolCallID = toolCallID
    }
}

/// What to continue: a question (a string literal will do), a conversation, or token ids.
public struct Prompt: Sendable, ExpressibleByStringLiteral {
    enum Content: Sendable {
        case question(String)
        case messages([Message])
        case messagesJSON(String)
        case ids([Int32])
    }

    let content: Content
    /// The system message before a question.
    public var system: String?
    /// OpenAI-shaped tools, a JSON array.
    public var toolsJSON: String?

    public init(_ question: String, system: String? = nil) {
        content = .question(question)
        self.system = system
    }

    public init(stringLiteral question: String) {
        self.init(question)
    }

    public init(messages: [Message]) {
        content = .messages(messages)
    }

    public init(messagesJSON: String) {
        content = .messagesJSON(messagesJSON)
    }

    /// Raw: no template, no beginning of the text.
    public init(ids: [Int32]) {
        content = .ids(ids)
    }

    /// Calls `body` with the prompt as the library takes it, and with these options.
    func withNative<Result>(
        _ options: Options,
        _ body: (UnsafePointer<pensee_prompt>, UnsafePointer<pensee_options>) throws -> Result
    ) throws -> Result {
        let strings = CStrings()
        var prompt = cpensee_prompt()
        var native = try options.native(strings)
        prompt.system = try strings.add(system)
        prompt.tools_json = try strings.add(toolsJSON)
        var ids: [Int32] = []
        switch content {
        case .question(let question):
            prompt.text = try strings.add(question)
        case .messages(let messages):
            prompt.messages_json = try strings.add(String(decoding: JSONEncoder().encode(messages), as: UTF8.self))
        case .messagesJSON(let json):
            prompt.messages_json = try strings.add(json)
        case .ids(let given):
            ids = given
        }
        return try withExtendedLifetime(strings) {
            try ids.withUnsafeBufferPointer { (buffer: UnsafeBufferPointer<Int32>) -> Result in
                if !buffer.isEmpty {
                    prompt.ids = buffer.baseAddress
                    prompt.num_ids = buffer.count
                }
                return try body(&prompt, &native)
            }
        }
    }
}
