// The conversation on a screen: thoughts small and grey, answers below them.
#if canImport(SwiftUI)
import SwiftUI
#if canImport(UIKit)
import UIKit
#endif

public struct ChatView: View {
    @StateObject private var conversation: Conversation
    @State private var question = ""
    @Environment(\.scenePhase) private var phase

    public init(modelPath: String) {
        _conversation = StateObject(wrappedValue: Conversation(path: modelPath))
    }

    public var body: some View {
        VStack {
            if let fraction = conversation.loading {
                ProgressView(value: fraction)
            }
            ScrollView {
                LazyVStack(alignment: .leading, spacing: 12) {
                    ForEach(conversation.turns) { turn in
                        Text(turn.question).bold()
                        if !turn.thought.isEmpty {
                            Text(turn.thought).font(.footnote).foregroundColor(.secondary)
                        }
                        Text(turn.answer)
                    }
                }
            }
            if let failure = conversation.failure {
                Text(failure).foregroundColor(.red)
            }
            HStack {
                TextField("Ask", text: $question).onSubmit(send)
                if conversation.isRunning {
                    Button("Answer now", action: conversation.answerNow)
                    Button("Stop", action: conversation.stop)
                } else {
                    Button("Send", action: send).disabled(conversation.loading != nil)
                }
            }
        }
        .padding()
        .task { await conversation.load() }
        .onChange(of: phase) { now in
            if now == .background { conversation.enterBackground() }
            if now == .active { conversation.enterForeground() }
        }
        .modifier(MemoryWarning(action: conversation.memoryIsShort))
    }

    private func send() {
        conversation.send(question)
        question = ""
    }
}

private struct MemoryWarning: ViewModifier {
    let action: () -> Void

    func body(content: Content) -> some View {
        #if canImport(UIKit)
        content.onReceive(
            NotificationCenter.default.publisher(for: UIApplication.didReceiveMemoryWarningNotification)
        ) { _ in action() }
        #else
        content
        #endif
    }
}
#endif
