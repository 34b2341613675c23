// A conversation: questions come from the standard input, one a line; the thought is shown dimmed, then the answer. The
// same program as examples/c/chat.c.
//
//   chat MODEL [MAX_TOKENS [SEED]]        MAX_TOKENS: of each reply, 1000 by default; SEED: same seed, same text
import Foundation
import Pensee

@main
struct Chat {
    static func main() async {
        let arguments = CommandLine.arguments
        guard arguments.count >= 2, arguments.count <= 4 else {
            complain("usage: \(arguments[0]) MODEL [MAX_TOKENS [SEED]]")
            exit(2)
        }
        var options = Options()
        options.maxTokens = arguments.count > 2 ? Int(arguments[2]) ?? 0 : 1000
        options.seed = arguments.count > 3 ? UInt64(arguments[3]) ?? 0 : 0
        options.thinkBudget = options.maxTokens / 2  // then the thought is closed and the answer follows
        do {
            let session = try await Model.load(path: arguments[1]).makeSession()
            try await converse(session, options)
        } catch {
            complain("chat: \(error.localizedDescription)")
            exit(1)
        }
    }

    static func converse(_ session: Session, _ options: Options) async throws {
        var messages: [Message] = []
        show("> ")
        while let line = readLine() {
            if !line.isEmpty {
                messages.append(Message(.user, line))
                let answer = try await takeTurn(session, messages, options)
                messages.append(Message(.assistant, answer))
            }
            show("> ")
        }
        show("\n")
    }

    /// One reply, shown as it comes; returns what belongs to the answer.
    static func takeTurn(_ session: Session, _ messages: [Message], _ options: Options) async throws -> String {
        var answer = ""
        var shown: Event.Kind?  // of what was printed last
        for try await event in try session.stream(Prompt(messages: messages), options: options) {
            if let usage = event.usage {
                show("\u{1B}[0m\n[\(usage.cachedTokens) of \(usage.promptTokens) prompt tokens kept, "
                    + "\(usage.thoughtTokens) of thought, \(usage.answerTokens) of answer]\n")
            }
            if event.text.isEmpty { continue }
            if event.kind != shown {
                show(event.kind == .thought ? "\u{1B}[2m" : shown == nil ? "" : "\u{1B}[0m\n")
            }
            shown = event.kind
            if event.kind == .answer { answer += event.text }
            show(event.text)
        }
        let blank: Set<Unicode.Scalar> = [" ", "\t", "\r", "\n"]
        return String(String.UnicodeScalarView(answer.unicodeScalars.drop(while: { blank.contains($0) })))
    }

    static func show(_ text: String) {
        FileHandle.standardOutput.write(Data(text.utf8))
    }

    static func complain(_ text: String) {
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }
}
