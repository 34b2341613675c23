// Model: weights, tokenizer and chat template. The library lets any threads use one at the same time.
import CPensee
import Foundation

/// What a model is and costs.
public struct ModelInfo: Sendable {
    public let architecture: String
    public let name: String
    public let quantization: String
    public let isa: String
    public let parametersTotal: Int64
    public let parametersActive: Int64
    public let vocabSize: Int64
    public let contextMax: Int64
    public let cacheBytesPerToken: Int64
    public let weightBytes: UInt64
    /// Needed for the weights and one session of 4096 positions.
    public let memoryBytes: UInt64
    public let threads: Int
    public let thinks: Bool
}

/// What a model takes now, in bytes.
public struct MemoryUse: Sendable {
    public let budget: UInt64
    public let used: UInt64
    public let weights: UInt64
    public let prefixCache: UInt64
    public let scratch: UInt64
}

public final class Model: @unchecked Sendable {
    public enum TrimLevel: Int32, Sendable {
        /// What is kept to be faster later; also what idle sessions have computed.
        case caches = 0, sessions
    }

    let handle: OpaquePointer
    private let callbacks: Callbacks

    private init(_ options: ModelOptions,
                 _ opening: (UnsafePointer<pensee_model_options>, UnsafeMutablePointer<OpaquePointer?>,
                          UnsafeMutablePointer<pensee_error>) -> pensee_status) throws {
        let callbacks = Callbacks(options)
        var native = options.native(callbacks)
        var opened: OpaquePointer?
        try PenseeError.check { error in opening(&native, &opened, error) }
        guard let handle = opened else {
            throw PenseeError(status: .internalError, message: "the library gave no model")
        }
        self.handle = handle
        self.callbacks = callbacks
    }

    deinit {
        pensee_model_free(handle)
    }

    /// Opens a GGUF file, a .safetensors file with its config.json, or a Hugging Face folder. Takes its time: on the
    /// main thread use `load`.
    public convenience init(path: String, options: ModelOptions = ModelOptions()) throws {
        let strings = CStrings()
        let cPath = try strings.add(path)
        try self.init(options) { native, model, error in
            withExtendedLifetime(strings) { pensee_model_open(cPath, native, model, error) }
        }
    }

    /// A GGUF inside an open file, from byte `offset` over `length` bytes (0: to the end). The descriptor is
    /// duplicated; close yours when you like.
    public convenience init(fileDescriptor: Int32, offset: UInt64 = 0, length: UInt64 = 0,
                            options: ModelOptions = ModelOptions()) throws {
        try self.init(options) { native, model, error in
            pensee_model_open_fd(fileDescriptor, offset, length, native, model, error)
        }
    }

    /// A GGUF in memory; the bytes are read during the call only.
    public convenience init(data: Data, options: ModelOptions = ModelOptions()) throws {
        try self.init(options) { native, model, error in
            data.withUnsafeBytes { bytes in
                pensee_model_open_memory(bytes.baseAddress, bytes.count, native, model, error)
            }
        }
    }

    /// Opens the file on a thread of its own. Cancelling the task cancels the loading.
    public static func load(path: String, options: ModelOptions = ModelOptions()) async throws -> Model {
        let flag = Flag()
        var watched = options
        let progress = options.progress
        watched.progress = { fraction in !flag.isSet && (progress?(fraction) ?? true) }
        let prepared = watched
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Model, Error>) in
                let thread = Thread {
                    continuation.resume(with: Result { try Model(path: path, options: prepared) })
                }
                thread.name = "pensee load"
                thread.stackSize = 1 << 20
                thread.start()
            }
        } onCancel: {
            flag.set()
        }
    }

    public var info: ModelInfo {
        var native = cpensee_model_info()
        _ = pensee_model_get_info(handle, &native, nil)
        return ModelInfo(
            architecture: string(native.architecture), name: string(native.name),
            quantization: string(native.quantization), isa: string(native.isa),
            parametersTotal: native.parameters_total, parametersActive: native.parameters_active,
            vocabSize: native.vocab_size, contextMax: native.context_max,
            cacheBytesPerToken: native.cache_bytes_per_token, weightBytes: native.weight_bytes,
            memoryBytes: native.memory_bytes, threads: Int(native.threads), thinks: native.thinks != 0)
    }

    public var memory: MemoryUse {
        var native = cpensee_memory()
        _ = pensee_model_get_memory(handle, &native, nil)
        return MemoryUse(budget: native.budget, used: native.used, weights: native.weights,
                         prefixCache: native.prefix_cache, scratch: native.scratch)
    }

    /// Token ids of a text; `plainText`: "<|im_end|>" in it stays text.
    public func tokenize(_ text: String, plainText: Bool = false) throws -> [Int32] {
        let bytes = Array(text.utf8CString)  // its last one is the terminator
        let flags = plainText ? UInt32(PENSEE_PLAIN_TEXT) : 0
        var ids = [Int32](repeating: 0, count: bytes.count + 7)
        var count = 0
        repeat {
            if count > ids.count { ids = [Int32](repeating: 0, count: count) }
            let capacity = ids.count
            try PenseeError.check { error in
                pensee_tokenize(handle, bytes, bytes.count - 1, flags, &ids, capacity, &count, error)
            }
        } while count > ids.count
        return Array(ids[0..<count])
    }

    public func makeSession() throws -> Session {
        var made: OpaquePointer?
        try PenseeError.check { error in pensee_session_new(handle, &made, error) }
        return try Session(self, made)
    }

    /// The session that `Session.save` wrote: of this model, with the same cache types.
    public func restoreSession(from path: String) throws -> Session {
        let strings = CStrings()
        let cPath = try strings.add(path)
        var made: OpaquePointer?
        try withExtendedLifetime(strings) {
            try PenseeError.check { error in pensee_session_restore(handle, cPath, &made, error) }
        }
        return try Session(self, made)
    }

    /// The whole reply, in a session of its own. Cancelling the task cancels it.
    public func ask(_ prompt: Prompt, options: Options = Options()) async throws -> Reply {
        try await makeSession().ask(prompt, options: options)
    }

    /// Sessions compute nothing until `resume`: call it when the application goes into the background, where the system
    /// would end it for computing.
    public func pause() {
        pensee_model_pause(handle)
    }

    public func resume() {
        pensee_model_resume(handle)
    }

    /// Gives memory back to the system and returns the bytes; changes no text.
    @discardableResult
    public func trim(_ level: TrimLevel = .caches) -> UInt64 {
        var freed: UInt64 = 0
        _ = pensee_model_trim(handle, level.rawValue, &freed, nil)
        return freed
    }

    /// 0: the CPUs that this process may use. From the next pass on; changes no text.
    public func setThreads(_ threads: Int) throws {
        try PenseeError.check { error in pensee_model_set_threads(handle, Int32(clamping: threads), error) }
    }
}

/// Set once, by any thread.
final class Flag: @unchecked Sendable {
    private let lock = NSLock()
    private var value = false

    var isSet: Bool {
        lock.lock()
        defer { lock.unlock() }
        return value
    }

    func set() {
        lock.lock()
        defer { lock.unlock() }
        value = true
    }
}
