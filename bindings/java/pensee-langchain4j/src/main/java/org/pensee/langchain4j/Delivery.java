package org.pensee.langchain4j;

import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.model.chat.response.CompleteToolCall;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.PartialThinking;
import dev.langchain4j.model.chat.response.PartialThinkingContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import java.util.ArrayList;
import java.util.List;
import org.pensee.Event;
import org.pensee.Model;
import org.pensee.PenseeException;
import org.pensee.Stream;

/** Hands the events of one stream to a handler. The space around the tags belongs to neither side of a reply. */
final class Delivery implements Runnable, StreamingHandle {
    private final Model model;
    private final Stream stream;
    private final StreamingChatResponseHandler handler;
    private final StringBuilder thought = new StringBuilder();
    private final StringBuilder answer = new StringBuilder();
    private final List<ToolExecutionRequest> calls = new ArrayList<>();
    private volatile boolean cancelled;

    Delivery(Model model, Stream stream, StreamingChatResponseHandler handler) {
        this.model = model;
        this.stream = stream;
        this.handler = handler;
    }

    @Override
    public void cancel() {
        cancelled = true;
        stream.close();
    }

    @Override
    public boolean isCancelled() {
        return cancelled;
    }

    @Override
    public void run() {
        try (stream) {
            while (!cancelled && stream.hasNext()) {
                final Event event = stream.next();
                if (!cancelled) deliver(event);
            }
        } catch (PenseeException failure) {
            if (!cancelled) tell(() -> handler.onError(Responses.exception(failure)));
        } catch (RuntimeException failure) { // cancelling closed the stream
            if (!cancelled) tell(() -> handler.onError(failure));
        }
    }

    private void deliver(Event event) {
        if (event instanceof Event.Thought) {
            thought.append(event.text());
            if (!event.text().isEmpty()) {
                tell(() -> handler.onPartialThinking(new PartialThinking(event.text()),
                                                     new PartialThinkingContext(this)));
            }
        } else if (event instanceof Event.Answer) {
            final String text = answer.length() > 0 ? event.text() : event.text().stripLeading();
            answer.append(text);
            if (!text.isEmpty()) {
                tell(() -> handler.onPartialResponse(new PartialResponse(text), new PartialResponseContext(this)));
            }
        } else if (event instanceof Event.ToolCall part && part.call() != null) {
            final ToolExecutionRequest call = Responses.calls(List.of(part.call())).get(0);
            calls.add(call);
            tell(() -> handler.onCompleteToolCall(new CompleteToolCall(calls.size() - 1, call)));
        } else if (event instanceof Event.End end) {
            tell(() -> handler.onCompleteResponse(Responses.response(
                model, thought.toString().strip(), answer.toString(), calls, end.finishReason(), end.usage())));
        }
    }

    private void tell(Runnable callback) {
        try {
            callback.run();
        } catch (RuntimeException thrown) {
            try {
                handler.onError(thrown);
            } catch (RuntimeException again) {
                return; // nobody is left to be told
            }
        }
    }
}
