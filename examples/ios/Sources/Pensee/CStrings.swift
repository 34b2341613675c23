// C strings that live as long as this object: a struct of the library points to them while it is called.
import Foundation

final class CStrings {
    private var strings: [UnsafeMutablePointer<CChar>] = []
    private var lists: [UnsafeMutablePointer<UnsafePointer<CChar>?>] = []

    func add(_ text: String?) throws -> UnsafePointer<CChar>? {
        guard let text = text else { return nil }
        if text.utf8.contains(0) {
            throw PenseeError(status: .badArgument, message: "a text holds a NUL character: \(text.prefix(40))")
        }
        let bytes = Array(text.utf8CString)
        let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
        copy.initialize(from: bytes, count: bytes.count)
        strings.append(copy)
        return UnsafePointer(copy)
    }

    /// An array of C strings; nil for an empty one.
    func add(_ texts: [String]) throws -> UnsafePointer<UnsafePointer<CChar>?>? {
        if texts.isEmpty { return nil }
        let list = UnsafeMutablePointer<UnsafePointer<CChar>?>.allocate(capacity: texts.count)
        list.initialize(repeating: nil, count: texts.count)
        lists.append(list)
        for (index, text) in texts.enumerated() {
            list[index] = try add(text)
        }
        return UnsafePointer(list)
    }

    deinit {
        for string in strings { string.deallocate() }
        for list in lists { list.deallocate() }
    }
}

/// "" of NULL.
func string(_ pointer: UnsafePointer<CChar>?) -> String {
    guard let pointer = pointer else { return "" }
    return String(cString: pointer)
}
