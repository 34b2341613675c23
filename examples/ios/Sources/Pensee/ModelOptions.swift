// How a model is opened. What a new ModelOptions says is the library's own default.
import CPensee

public struct ModelOptions: Sendable {
    public enum CacheType: Int32, Sendable {
        case automatic = 0, float32, float16, bfloat16, int8, int4
    }
    public enum Activations: Int32, Sendable {
        case automatic = 0, int16, int8
    }
    public enum ThreadPriority: Int32, Sendable {
        /// As the thread that starts them, behind the application's other work, when nobody else wants the CPU.
        case normal = 0, low, background
    }

    /// 0: the CPUs that this process may use. On a phone: the number of its fast cores.
    public var threads = 0
    public var threadPriority = ThreadPriority.normal
    public var activations = Activations.automatic
    public var cacheType = CacheType.automatic
    /// Of values apart from keys; automatic: as `cacheType`.
    public var valueCacheType = CacheType.automatic
    /// Positions a session may hold; 0: the model's own limit.
    public var contextMax = 0
    /// Bytes for weights, caches and scratch together; 0: no limit.
    public var memoryBudget: UInt64 = 0
    /// Bytes kept of what sessions computed, for prompts that begin alike; 0: 256 MiB; -1: none.
    public var prefixCacheBytes: Int64 = 0
    /// Read headers, tokenizer and template only: enough for `info` and `tokenize`, in milliseconds.
    public var skipWeights = false
    /// Called on the thread that opens, with 0...1; false cancels, and opening throws `.cancelled`.
    public var progress: (@Sendable (Float) -> Bool)?
    /// Called on any thread when memory is short by so many bytes, before a generation fails: drop what you can and
    /// return true to try once more. May call `Model.trim` and `Session.cancel`.
    public var lowMemory: (@Sendable (UInt64) -> Bool)?

    public init() {}
}

/// What the library's callbacks find again. The model holds it: they come for as long as the model lives.
final class Callbacks: @unchecked Sendable {
    let progress: (@Sendable (Float) -> Bool)?
    let lowMemory: (@Sendable (UInt64) -> Bool)?

    init(_ options: ModelOptions) {
        progress = options.progress
        lowMemory = options.lowMemory
    }

    static func from(_ user: UnsafeMutableRawPointer?) -> Callbacks? {
        guard let user = user else { return nil }
        return Unmanaged<Callbacks>.fromOpaque(user).takeUnretainedValue()
    }
}

extension ModelOptions {
    func native(_ callbacks: Callbacks) -> pensee_model_options {
        var to = cpensee_model_options()
        to.threads = Int32(clamping: threads)
        to.thread_priority = threadPriority.rawValue
        to.activations = activations.rawValue
        to.cache_type = cacheType.rawValue
        to.value_cache_type = valueCacheType.rawValue
        to.context_max = Int64(contextMax)
        to.memory_budget = memoryBudget
        to.prefix_cache_bytes = prefixCacheBytes
        to.skip_weights = skipWeights ? 1 : 0
        let user = Unmanaged.passUnretained(callbacks).toOpaque()
        if callbacks.progress != nil {
            to.progress_user = user
            to.progress = { user, fraction in
                let goOn = Callbacks.from(user)?.progress?(fraction) ?? true
                return goOn ? 0 : 1
            }
        }
        if callbacks.lowMemory != nil {
            to.low_memory_user = user
            to.low_memory = { user, bytes in
                let again = Callbacks.from(user)?.lowMemory?(bytes) ?? false
                return again ? 1 : 0
            }
        }
        return to
    }
}
