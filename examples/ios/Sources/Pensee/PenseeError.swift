// The error of every call that can fail, and its kinds.
import CPensee
import Foundation

/// The kind of a failure. Tens tell the family: 1x argument, 2x file, 3x memory, 4x unsupported, 5x state,
/// 6x cancelled, 9x a bug of the library.
public enum Status: Int32, Sendable, CaseIterable {
    case badArgument = 10
    case fileNotFound = 20
    case fileCorrupt = 21
    case fileIO = 22
    case outOfMemory = 30
    case unsupported = 40
    case busy = 50
    case contextFull = 51
    case noMoreEvents = 52
    case cancelled = 60
    case stoppedByCallback = 61
    case timeout = 62
    case internalError = 90
}

/// A call of the library failed: `message` says what, where (file, tensor, byte) and what to try.
public struct PenseeError: Error, Equatable, Sendable, LocalizedError, CustomStringConvertible {
    public let status: Status
    public let message: String

    public init(status: Status, message: String) {
        self.status = status
        self.message = message
    }

    public var description: String { message }
    public var errorDescription: String? { message }

    init(_ native: pensee_error) {
        status = Status(rawValue: native.status) ?? .internalError
        message = withUnsafeBytes(of: native.message) { bytes in
            String(decoding: bytes.prefix(while: { $0 != 0 }), as: UTF8.self)
        }
    }

    /// Calls `body` with room for an error and throws what the library put there.
    static func check(_ body: (UnsafeMutablePointer<pensee_error>) -> pensee_status) throws {
        var error = cpensee_error()
        if body(&error) != 0 {
            throw PenseeError(error)
        }
    }
}
